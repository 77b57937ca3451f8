// Blocks of memory for residues: 64-byte aligned, large ones on huge pages, recently freed ones kept for reuse.
#pragma once

#include <cstddef>

namespace subrosa {

// Zero-filled, or of undefined contents; null when memory is exhausted.
void* allocateBlock(size_t bytes);
void* allocateUnfilled(size_t bytes);
// `bytes` must be what the block was allocated with.
void freeBlock(void* block, size_t bytes);
// Writes zeros in a way that the compiler may not leave out.
void wipeBlock(void* block, size_t bytes);

// A scratch buffer of the calling thread, 64-byte aligned, contents undefined; valid until the thread's next call with
// the same slot. Null when memory is exhausted.
constexpr int scratchSlots = 4;
void* threadScratch(int slot, size_t bytes);

}  // namespace subrosa
