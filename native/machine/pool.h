// The one thread pool of the process: persistent threads that sleep between loops.
//
// The addon may be loaded by several JavaScript threads. One of them at a time has the pool; a loop that finds
// it taken, or that is itself inside a loop, runs serially on its own thread, so nothing ever waits for another caller.
#pragma once

#include <cstddef>
#include <type_traits>

namespace subrosa {

// Threads that a loop may use, the caller included.
size_t poolThreads();

// Sets the number for the whole process; 0 means one per available CPU. Takes effect at the next loop.
void setPoolThreads(size_t threads);

using LoopBody = void (*)(void* context, size_t index);

// Calls body(context, i) once for each i < count, in no particular order. Waking threads costs 10 to 50
// microseconds: loops shorter than about 100 should pass parallel = false.
void runLoop(size_t count, bool parallel, LoopBody body, void* context);

template <typename Body>
void parallelFor(size_t count, bool parallel, Body&& body) {
  using Closure = typename std::remove_reference<Body>::type;
  runLoop(
      count, parallel, [](void* context, size_t index) { (*static_cast<Closure*>(context))(index); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

template <typename Body>
void parallelFor(size_t count, Body&& body) {
  parallelFor(count, true, body);
}

}  // namespace subrosa
