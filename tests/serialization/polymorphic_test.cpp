// Pointers to polymorphic classes, and object graphs, through Boost's own archives: because this file includes them.

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/export.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>

#include "tests/serialization/round_trip.hpp"
#include "tests/support/catch.hpp"

namespace polymorphic_test {

struct Animal {
  Animal() = default;
  Animal(const Animal&) = delete;
  Animal& operator=(const Animal&) = delete;
  virtual ~Animal() = default;
  virtual std::string sound() const = 0;
  template <class Archive>
  void serialize(Archive&, const unsigned int) {}
};

struct Dog : Animal {
  std::string name;
  std::string sound() const override { return name + " barks"; }
  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& boost::serialization::base_object<Animal>(*this);
    ar& name;
  }
};

struct Unregistered : Animal {
  std::string sound() const override { return ""; }
};

/// Two parents may have one child: only an archive that tracks keeps it one.
struct Node {
  std::vector<Node*> next;
  int value = 0;
  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& value& next;
  }
};

struct Graph {
  Node* root = nullptr;
  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& root;
  }
};

}  // namespace polymorphic_test

BOOST_SERIALIZATION_ASSUME_ABSTRACT(polymorphic_test::Animal)
BOOST_CLASS_EXPORT(polymorphic_test::Dog)

namespace {

using namespace polymorphic_test;
using ipc::test::message_of;
using ipc::test::value_of;

static_assert(ipc::detail::Sendable<std::unique_ptr<Animal>>);
static_assert(!ipc::detail::Sendable<Animal*>);

TEST_CASE("a pointer to a base arrives as the derived class that it points to") {
  auto dog = std::make_unique<Dog>();
  dog->name = "Rex";
  std::vector<std::unique_ptr<Animal>> animals;
  animals.push_back(std::move(dog));
  animals.push_back(nullptr);
  const auto arrived = value_of<std::vector<std::unique_ptr<Animal>>>(message_of(animals));
  REQUIRE(arrived.size() == 2);
  CHECK(arrived[0]->sound() == "Rex barks");
  CHECK(arrived[1] == nullptr);
  const std::shared_ptr<const Animal> shared = std::make_shared<Dog>();
  CHECK(value_of<std::shared_ptr<const Animal>>(message_of(shared))->sound() == " barks");
}

TEST_CASE("a derived class that was not exported is refused by the sender") {
  const std::unique_ptr<Animal> stranger = std::make_unique<Unregistered>();
  CHECK_THROWS_AS(message_of(stranger), ipc::EncodingError);
}

TEST_CASE("within the graph of one pointer an object stays one object") {
  Node shared{{}, 3};
  Node left{{&shared}, 1};
  Node root{{&left, &shared}, 0};
  shared.next.push_back(&root);  // A cycle.
  const Graph graph{&root};
  const Graph arrived = value_of<Graph>(message_of(graph));
  REQUIRE(arrived.root->next.size() == 2);
  const std::unique_ptr<Node> r(arrived.root), l(r->next[0]), s(r->next[1]);
  CHECK(l->next.at(0) == s.get());
  CHECK(s->next.at(0) == r.get());
  CHECK(s->value == 3);
}

TEST_CASE("bytes that are no archive are an EncodingError") {
  CHECK_THROWS_AS(value_of<std::unique_ptr<Animal>>(message_of(std::string())), ipc::EncodingError);
}

}  // namespace
