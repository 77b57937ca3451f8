// Divisions that wait for the remainders of a key switch, shared between the threads that work on it.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace subrosa {

class DivisionQueue {
 public:
  DivisionQueue(size_t remainders, size_t capacity) : remainders_(remainders) { waiting_.reserve(capacity); }

  // True for the caller that finished the last remainder.
  bool remainderDone() {
    std::lock_guard<std::mutex> lock(mutex_);
    return --remainders_ == 0;
  }

  // The remainders may be read from now on.
  void open() {
    std::lock_guard<std::mutex> lock(mutex_);
    isOpen_ = true;
  }

  void push(size_t division) {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(division);
  }

  // False when there is nothing to divide, or nothing yet.
  bool pop(size_t& division) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!isOpen_ || waiting_.empty()) return false;
    division = waiting_.back();
    waiting_.pop_back();
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<size_t> waiting_;
  size_t remainders_;
  bool isOpen_ = false;
};

}  // namespace subrosa
