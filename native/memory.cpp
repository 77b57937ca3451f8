#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace subrosa {
namespace {

constexpr size_t hugePage = size_t{1} << 21;
constexpr size_t smallest = size_t{1} << 16;    // Below this malloc is as good.
constexpr size_t keepLimit = size_t{1} << 30;   // Bytes of freed blocks that are kept: one request of the largest speech network.

size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

size_t blockSize(size_t bytes) {
  return bytes < smallest ? roundUp(bytes ? bytes : 1, 64) : roundUp(bytes, 4096);
}

void* mapBlock(size_t size) {
#ifdef __linux__
  const size_t alignment = size >= hugePage ? hugePage : 4096;
  const size_t total = size + (alignment > 4096 ? alignment : 0);
  void* start = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(start);
  const uintptr_t aligned = roundUp(begin, alignment);
  if (aligned > begin) munmap(start, aligned - begin);
  if (begin + total > aligned + size)
    munmap(reinterpret_cast<void*>(aligned + size), begin + total - aligned - size);
  if (size >= hugePage) madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
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

class Keep {
 public:
  void* take(size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = blocks_.find(size);
    if (found == blocks_.end() || found->second.empty()) return nullptr;
    void* block = found->second.back();
    found->second.pop_back();
    bytes_ -= size;
    return block;
  }

  void give(void* block, size_t size) {
    if (size > keepLimit / 2) return unmapBlock(block, size);
    std::lock_guard<std::mutex> lock(mutex_);
    if (bytes_ + size > keepLimit) release();
    blocks_[size].push_back(block);
    bytes_ += size;
  }

 private:
  void release() {
    for (auto& [size, list] : blocks_)
      for (void* block : list) unmapBlock(block, size);
    blocks_.clear();
    bytes_ = 0;
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> blocks_;
  size_t bytes_ = 0;
};

// Never destroyed: finalizers may run during the exit of the process.
Keep& keep() {
  static Keep* instance = new Keep;
  return *instance;
}

struct Scratch {
  void* data[scratchSlots] = {};
  size_t size[scratchSlots] = {};
  ~Scratch() {
    for (void* block : data) free(block);
  }
};

}  // namespace

void* allocateBlock(size_t bytes) {
  const size_t size = blockSize(bytes);
  if (size < bytes) return nullptr;
  if (bytes < smallest) {
    void* block = aligned_alloc(64, size);
    if (block) memset(block, 0, size);
    return block;
  }
  if (void* kept = keep().take(size)) {
    memset(kept, 0, size);
    return kept;
  }
  return mapBlock(size);
}

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
