#pragma once

#include <stdexcept>

namespace ipc::test {

/// Cannot be encoded when it is 13.
struct Picky {
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    if (value == 13) throw std::domain_error("13");
    archive& value;
  }
};

}  // namespace ipc::test
