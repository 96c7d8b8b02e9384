// Classes written for Boost.Serialization by somebody who included its headers: everything here also works with the
// archives of Boost, and must not mean something else with ours.

#include <boost/optional.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/binary_object.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/optional.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/split_member.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/serialization/version.hpp>

#include "tests/serialization/round_trip.hpp"
#include "tests/support/catch.hpp"

namespace {

using ipc::test::round_trip;

class Split {
 public:
  int value = 0;
  int loads = 0;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive& ar, const unsigned int) const {
    ar << value;
  }
  template <class Archive>
  void load(Archive& ar, const unsigned int) {
    ar >> value;
    ++loads;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};

struct Base {
  int id = 0;
  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& BOOST_SERIALIZATION_NVP(id);
  }
};

struct Pair : Base {
  std::vector<Split> items;
  std::map<std::string, std::vector<double>> table;
  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& BOOST_SERIALIZATION_BASE_OBJECT_NVP(Base);
    ar& boost::serialization::make_nvp("items", items);
    ar& BOOST_SERIALIZATION_NVP(table);
  }
};

struct Outer {
  class Inner {
    friend class boost::serialization::access;
    template <class Archive>
    void serialize(Archive& ar, const unsigned int) {
      ar& depth;
    }

   public:
    int depth = 0;
  };
  std::vector<Inner> inner;
  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& inner;
  }
};

/// Owns memory whose length it knows.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : data(size), names(size), raw(size) {}
  std::vector<double> data;
  std::vector<std::string> names;
  std::vector<char> raw;

  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    std::size_t size = data.size();
    ar& size;
    if (Archive::is_loading::value) *this = Buffer(size);
    ar& boost::serialization::make_array(data.data(), size);
    ar& boost::serialization::make_array(names.data(), size);
    ar& boost::serialization::make_binary_object(raw.data(), raw.size());
  }
};

struct Versioned {
  unsigned seen = 0;
  template <class Archive>
  void serialize(Archive&, const unsigned int version) {
    seen = version;
  }
};

struct Free {
  boost::optional<std::string> maybe;
  int loads = 0;
};

}  // namespace

BOOST_CLASS_VERSION(Versioned, 3)

namespace boost::serialization {

template <class Archive>
void save(Archive& ar, const Free& value, const unsigned int) {
  ar << value.maybe;
}
template <class Archive>
void load(Archive& ar, Free& value, const unsigned int) {
  ar >> value.maybe;
  ++value.loads;
}

}  // namespace boost::serialization

BOOST_SERIALIZATION_SPLIT_FREE(Free)

namespace {

TEST_CASE("split members save on one side and load on the other") {
  Split value;
  value.value = 4;
  const Split arrived = round_trip(value);
  CHECK(arrived.value == 4);
  CHECK(arrived.loads == 1);
}

TEST_CASE("split free functions, and Boost's own functions for its own types, work") {
  Free value{std::string("there"), 0};
  CHECK(round_trip(value).maybe.value() == "there");
  CHECK(round_trip(value).loads == 1);
  CHECK_FALSE(round_trip(Free{}).maybe.has_value());
}

TEST_CASE("names, base objects and containers of classes work") {
  Pair value;
  value.id = 6;
  value.items.resize(2);
  value.items[1].value = 5;
  value.table["row"] = {1, 2};
  const Pair arrived = round_trip(value);
  CHECK(arrived.id == 6);
  REQUIRE(arrived.items.size() == 2);
  CHECK(arrived.items[1].value == 5);
  CHECK(arrived.table == value.table);
}

TEST_CASE("nested classes work") {
  Outer value;
  value.inner.resize(2);
  value.inner[1].depth = 2;
  CHECK(round_trip(value).inner.at(1).depth == 2);
}

TEST_CASE("arrays and binary objects are as long as the class says") {
  Buffer value(3);
  value.data = {1, 2, 3};
  value.names = {"a", "b", "c"};
  value.raw = {'x', 'y', 'z'};
  const Buffer arrived = round_trip(value);
  CHECK(arrived.data == value.data);
  CHECK(arrived.names == value.names);
  CHECK(arrived.raw == value.raw);
}

TEST_CASE("serialize gets the version of the class") { CHECK(round_trip(Versioned{}).seen == 3); }

}  // namespace
