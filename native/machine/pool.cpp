#include "machine/pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

#include "machine/cpu.h"

namespace subrosa {
namespace {

inline void relax() {
#ifdef SUBROSA_X86
  __builtin_ia32_pause();
#endif
}

// About 20 microseconds: long enough to catch the next loop of the same operation, short enough not to starve others.
constexpr int spinTurns = 500;

// Then, as long as nobody else wants the processor, about 250 microseconds more: the JavaScript between two loops often takes no longer, and
// to wake a thread of a virtual machine takes tens of them.
constexpr int yieldTurns = 400;

constexpr uint32_t closed = uint32_t{1} << 31;

thread_local bool insideLoop = false;

class Pool {
 public:
  size_t threads() { return wanted_.load(std::memory_order_relaxed); }

  void setThreads(size_t threads) {
    wanted_.store(threads == 0 ? availableCpus() : threads, std::memory_order_relaxed);
  }

  void run(size_t count, LoopBody body, void* context) {
    std::unique_lock<std::mutex> owner(callers_, std::try_to_lock);
    if (!owner.owns_lock()) {
      for (size_t i = 0; i < count; i++) body(context, i);
      return;
    }
    const size_t helpers = grow(std::min(threads(), count) - 1);
    body_ = body;
    context_ = context;
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    inside_.store(0, std::memory_order_release);
    avoidCallersCpu();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      // The first `helpers` threads take part in this round; the others see a number above their limit and sleep on.
      participants_ = helpers;
      round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    drain();
    finish();
  }

 private:
  size_t grow(size_t helpers) {
    while (helpers_.size() < helpers) {
      const size_t id = helpers_.size();
      const uint64_t round = round_.load(std::memory_order_relaxed);
      helpers_.emplace_back([this, id, round] { serve(id, round); });
    }
    return helpers;
  }

  void drain() {
    insideLoop = true;
    const size_t count = count_;
    for (size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < count;
         i = next_.fetch_add(1, std::memory_order_relaxed))
      body_(context_, i);
    insideLoop = false;
  }

  // Waits for helpers that are at work. One that has not even woken, since its CPU is busy, finds the door closed: the
  // caller has done its share.
  void finish() {
    if (inside_.fetch_or(closed, std::memory_order_acq_rel) == 0) return;
    const auto isOver = [this] { return inside_.load(std::memory_order_acquire) == closed; };
    for (int turn = 0; turn < spinTurns; turn++) {
      if (isOver()) return;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, isOver);
  }

  // What belongs to the loop may be read from here on, and changes only after `leave`.
  bool enter() {
    uint32_t inside = inside_.load(std::memory_order_relaxed);
    while ((inside & closed) == 0) {
      if (inside_.compare_exchange_weak(inside, inside + 1, std::memory_order_acquire, std::memory_order_relaxed))
        return true;
    }
    return false;
  }

  void leave() {
    if (inside_.fetch_sub(1, std::memory_order_acq_rel) != (closed | 1)) return;
    // Empty section: the caller either has not tested yet or is already waiting, so the notice cannot be lost.
    { std::lock_guard<std::mutex> lock(mutex_); }
    done_.notify_one();
  }

  void serve(size_t id, uint64_t seen) {
    for (;;) {
      for (int turn = 0; turn < spinTurns && round_.load(std::memory_order_acquire) == seen; turn++) relax();
      for (int turn = 0; turn < yieldTurns && round_.load(std::memory_order_acquire) == seen; turn++) std::this_thread::yield();
      bool takesPart;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [this, seen] { return round_.load(std::memory_order_relaxed) != seen; });
        seen = round_.load(std::memory_order_relaxed);
        takesPart = id < participants_;
      }
      if (!takesPart || !enter()) continue;
      drain();
      leave();
    }
  }

  // Left alone, the Linux scheduler often puts the woken thread on the caller's CPU, and two threads run as fast as one.
  void avoidCallersCpu() {
#ifdef __linux__
    const int cpu = sched_getcpu();
    if (cpu < 0 || (cpu == avoided_ && placed_ == helpers_.size())) return;
    cpu_set_t others;
    if (sched_getaffinity(0, sizeof others, &others) != 0) return;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) == 0) return;
    for (std::thread& helper : helpers_) pthread_setaffinity_np(helper.native_handle(), sizeof others, &others);
    avoided_ = cpu;
    placed_ = helpers_.size();
#endif
  }

  std::mutex callers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<std::thread> helpers_;
  std::atomic<size_t> wanted_{availableCpus()};
  std::atomic<uint64_t> round_{0};
  std::atomic<size_t> next_{0};
  // How many helpers are at work on the loop; `closed` when none may begin any more.
  std::atomic<uint32_t> inside_{closed};
  size_t participants_ = 0;
  LoopBody body_ = nullptr;
  void* context_ = nullptr;
  size_t count_ = 0;
  int avoided_ = -1;
  size_t placed_ = 0;
};

// Never destroyed: its threads outlive every JavaScript environment, and the addon is linked so that it stays loaded.
Pool& pool() {
  static Pool* instance = new Pool;
  return *instance;
}

}  // namespace

size_t poolThreads() { return pool().threads(); }

void setPoolThreads(size_t threads) { pool().setThreads(threads); }

void runLoop(size_t count, bool parallel, LoopBody body, void* context) {
  if (parallel && count > 1 && !insideLoop && pool().threads() > 1) {
    pool().run(count, body, context);
    return;
  }
  for (size_t i = 0; i < count; i++) body(context, i);
}

}  // namespace subrosa
