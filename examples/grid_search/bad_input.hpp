#pragma once

#include <stdexcept>

namespace grid_search {

/// What the user gave cannot be used; the sentence says what to give instead. The program ends with exit status 2.
class BadInput : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace grid_search
