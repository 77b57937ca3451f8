#include "machine/memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#ifdef __linux__
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace subrosa {
namespace {

constexpr size_t hugePage = size_t{1} << 21;
constexpr size_t smallest = size_t{1} << 16;    // Below this malloc is as good.
// Bytes of freed blocks that are kept: at least one request of the largest speech network.
constexpr size_t leastKept = size_t{1} << 30;
constexpr size_t mostKept = size_t{1} << 33;  // Less where a quarter of the memory is less.

size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

size_t blockSize(size_t bytes) {
  return bytes < smallest ? roundUp(bytes ? bytes : 1, 64) : roundUp(bytes, 4096);
}

// The memory of the machine, or of the control group where that has less; 0 where neither is known.
size_t availableMemory() {
#ifdef __linux__
  const long pages = sysconf(_SC_PHYS_PAGES), pageBytes = sysconf(_SC_PAGESIZE);
  size_t bytes = pages > 0 && pageBytes > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(pageBytes) : 0;
  const int file = open("/sys/fs/cgroup/memory.max", O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    char text[32] = {};
    const ssize_t length = read(file, text, sizeof(text) - 1);
    close(file);
    const size_t limit = length > 0 ? strtoull(text, nullptr, 10) : 0;  // "max" is 0: no limit.
    if (limit > 0 && (bytes == 0 || limit < bytes)) bytes = limit;
  }
  return bytes;
#else
  return 0;
#endif
}

size_t keepLimit() {
  static const size_t limit = [] {
    const size_t quarter = availableMemory() / 4;
    return quarter < leastKept ? leastKept : quarter > mostKept ? mostKept : quarter;
  }();
  return limit;
}

#ifdef __linux__
// On huge pages where there are some: a fault for 2 MiB instead of one for every 4 KiB.
void* mapAligned(size_t size) {
  const size_t total = size + hugePage;
  void* start = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(start);
  const uintptr_t aligned = roundUp(begin, hugePage);
  if (aligned > begin) munmap(start, aligned - begin);
  if (begin + total > aligned + size)
    munmap(reinterpret_cast<void*>(aligned + size), begin + total - aligned - size);
  madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
}

// Blocks smaller than a huge page, cut one after the other from regions of several. Each is unmapped by itself.
class Region {
 public:
  void* cut(size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (left_ < size) {
      if (left_ > 0) munmap(next_, left_);
      next_ = static_cast<uint8_t*>(mapAligned(bytes));
      left_ = next_ ? bytes : 0;
      if (!next_) return nullptr;
    }
    void* block = next_;
    next_ += size;
    left_ -= size;
    return block;
  }

 private:
  static constexpr size_t bytes = 8 * hugePage;
  std::mutex mutex_;
  uint8_t* next_ = nullptr;
  size_t left_ = 0;
};
#endif

// Zero-filled.
void* mapBlock(size_t size) {
#ifdef __linux__
  static Region* region = new Region;  // Never destroyed, as the blocks.
  return size < hugePage ? region->cut(size) : mapAligned(size);
#else
  void* block = aligned_alloc(64, size);
  if (block) memset(block, 0, size);
  return block;
#endif
}

void unmapBlock(void* block, size_t size) {
#ifdef __linux__
  munmap(block, size);
#else
  (void)size;
  free(block);
#endif
}

// Freed blocks. A request takes the smallest block that is large enough and not more than a third larger; when more is
// given back than may be kept, the largest blocks go.
class Keep {
 public:
  void* take(size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = blocks_.lower_bound(size);
    if (found == blocks_.end() || found->first > size + size / 3) return nullptr;
    void* block = found->second.back();
    if (found->first > size) larger_[block] = found->first;
    bytes_ -= found->first;
    found->second.pop_back();
    if (found->second.empty()) blocks_.erase(found);
    return block;
  }

  void give(void* block, size_t asked) {
    std::lock_guard<std::mutex> lock(mutex_);
    size_t size = asked;
    if (const auto found = larger_.find(block); found != larger_.end()) {
      size = found->second;
      larger_.erase(found);
    }
    blocks_[size].push_back(block);
    bytes_ += size;
    while (bytes_ > keepLimit()) release();
  }

 private:
  void release() {
    const auto largest = std::prev(blocks_.end());
    unmapBlock(largest->second.back(), largest->first);
    bytes_ -= largest->first;
    largest->second.pop_back();
    if (largest->second.empty()) blocks_.erase(largest);
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> blocks_;  // No list is empty.
  std::unordered_map<void*, size_t> larger_;     // Sizes of blocks in use that are larger than what was asked for.
  size_t bytes_ = 0;
};

// Never destroyed: finalizers may run during the exit of the process.
Keep& keep() {
  static Keep* instance = new Keep;
  return *instance;
}

void* obtain(size_t bytes, bool zeroed) {
  const size_t size = blockSize(bytes);
  if (size < bytes) return nullptr;
  void* block = bytes < smallest ? aligned_alloc(64, size) : keep().take(size);
  if (!block) return bytes < smallest ? nullptr : mapBlock(size);
  if (zeroed) memset(block, 0, size);
  return block;
}

struct Scratch {
  void* data[scratchSlots] = {};
  size_t size[scratchSlots] = {};
  ~Scratch() {
    for (void* block : data) free(block);
  }
};

}  // namespace

void* allocateBlock(size_t bytes) { return obtain(bytes, true); }

void* allocateUnfilled(size_t bytes) { return obtain(bytes, false); }

void freeBlock(void* block, size_t bytes) {
  if (!block) return;
  if (bytes < smallest)
    free(block);
  else
    keep().give(block, blockSize(bytes));
}

void wipeBlock(void* block, size_t bytes) {
  memset(block, 0, bytes);
  __asm__ __volatile__("" : : "r"(block) : "memory");
}

void* threadScratch(int slot, size_t bytes) {
  static thread_local Scratch scratch;
  if (scratch.size[slot] < bytes) {
    free(scratch.data[slot]);
    const size_t size = roundUp(bytes, 4096);
    scratch.data[slot] = aligned_alloc(4096, size);
    scratch.size[slot] = scratch.data[slot] ? size : 0;
  }
  return scratch.data[slot];
}

}  // namespace subrosa
