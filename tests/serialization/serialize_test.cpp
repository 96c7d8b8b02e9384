// Classes with a Boost `serialize`, without any Boost header but the one that private members need: none but
// <boost/serialization/access.hpp> is included here, and that by the codec.

#include <map>
#include <string>

#include "tests/serialization/round_trip.hpp"
#include "tests/support/catch.hpp"

namespace boost::serialization {
class access;
}

namespace {

using ipc::test::message_of;
using ipc::test::round_trip;
using ipc::test::value_of;

struct Public {
  int number = 0;
  std::string text;
  std::vector<double> samples;
  std::map<std::string, std::vector<int>> index;
  int grid[2][3] = {};
  char label[8] = {};
  bool flag = false;

  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& number& text& samples& index& grid& label& flag;
  }
  friend bool operator==(const Public&, const Public&) = default;
};

class Private {
 public:
  explicit Private(std::string secret) : secret_(std::move(secret)) {}
  const std::string& secret() const { return secret_; }

 private:
  friend class boost::serialization::access;
  Private() = default;
  template <class Archive>
  void serialize(Archive& ar, const unsigned int) {
    ar& secret_;
  }
  std::string secret_;
};

struct Stream {  // The other spelling.
  int a = 0;
  std::string b;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    if constexpr (Archive::is_saving::value) {
      ar << a << b;
    } else {
      ar >> a >> b;
    }
  }
};

struct Tree {
  int value = 0;
  std::vector<Tree> children;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& value& children;
  }
  friend bool operator==(const Tree&, const Tree&) = default;
};

struct Link {
  std::unique_ptr<Link> next;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& next;
  }
};

struct Empty {
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

/// A container's child that has more than the container.
struct Named : std::vector<int> {
  std::string name;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& static_cast<std::vector<int>&>(*this);
    ar& name;
  }
};

/// Could be copied byte by byte, but says how it wants to travel.
struct Cached {
  int value = 0;
  int cache = 0;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& value;
  }
};

/// `serialize` of another kind.
struct Unrelated {
  int value = 0;
  std::string serialize() const { return "text"; }
};

struct Final final {
  std::string text;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& text;
  }
};

struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
  std::string name;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& name;
  }
};
struct Square : Shape {
  double side = 0;
  double area() const override { return side * side; }
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& static_cast<Shape&>(*this);
    ar& side;
  }
};

}  // namespace

namespace elsewhere {

struct Outside {
  std::string text;
};
template <class Archive>
void serialize(Archive& ar, Outside& value, const unsigned int) {
  ar& value.text;
}

struct InBoost {
  std::string text;
};

enum class Level { low, high };

}  // namespace elsewhere

namespace boost::serialization {

template <class Archive>
void serialize(Archive& ar, elsewhere::InBoost& value, const unsigned int) {
  ar& value.text;
}

}  // namespace boost::serialization

namespace {

using ipc::detail::Codec;
static_assert(Codec<Cached>::by_serialize);
static_assert(Codec<Unrelated>::flat);
static_assert(ipc::detail::FreeSerialize<elsewhere::Outside> && !ipc::detail::MemberSerialize<elsewhere::Outside>);
static_assert(ipc::detail::FreeSerialize<elsewhere::InBoost>);
static_assert(!ipc::detail::FreeSerialize<Public> && ipc::detail::MemberSerialize<Public>);
static_assert(!ipc::detail::HasSerialize<elsewhere::Level>);
static_assert(ipc::detail::Sendable<Private> && ipc::detail::Sendable<Square>);

TEST_CASE("a class with a public serialize arrives, arrays and containers included") {
  Public value;
  value.number = 7;
  value.text = "seven";
  value.samples = {1, 2, 3};
  value.index = {{"a", {1}}, {"b", {}}};
  value.grid[1][2] = 9;
  value.label[0] = 'l';
  value.flag = true;
  CHECK(round_trip(value) == value);
  const std::map<int, std::vector<Public>> nested{{1, {value, value}}, {2, {}}};
  CHECK(round_trip(nested) == nested);
}

TEST_CASE("a private serialize and a private default constructor are reached through Boost's access class") {
  CHECK(round_trip(Private("hidden")).secret() == "hidden");
  CHECK(value_of<std::vector<Private>>(message_of(std::vector<Private>{Private("a"), Private("b")}))[1].secret() == "b");
}

TEST_CASE("archives know whether they save or load") {
  const Stream arrived = round_trip(Stream{3, "three"});
  CHECK(arrived.a == 3);
  CHECK(arrived.b == "three");
}

TEST_CASE("free serialize functions are found beside the class and in boost::serialization") {
  CHECK(round_trip(elsewhere::Outside{"out"}).text == "out");
  CHECK(round_trip(elsewhere::InBoost{"in"}).text == "in");
  CHECK(round_trip(std::vector<elsewhere::InBoost>{{"x"}})[0].text == "x");
}

TEST_CASE("a serialize goes before the rules for containers and for trivially copyable classes") {
  Named named;
  named.assign({1, 2});
  named.name = "n";
  CHECK(round_trip(named).name == "n");
  CHECK(round_trip(named).size() == 2);
  CHECK(round_trip(Cached{1, 2}).value == 1);
  CHECK(round_trip(Cached{1, 2}).cache == 0);
  CHECK(round_trip(Unrelated{5}).value == 5);
  CHECK(round_trip(Final{"f"}).text == "f");
}

TEST_CASE("bases are serialized in place, abstract ones too") {
  Square square;
  square.name = "square";
  square.side = 3;
  const Square arrived = round_trip(square);
  CHECK(arrived.name == "square");
  CHECK(arrived.area() == 9);
}

TEST_CASE("elements that encode to nothing still count") {
  CHECK(round_trip(std::vector<Empty>(3)).size() == 3);
  CHECK(round_trip(std::list<std::pair<Empty, Empty>>(5)).size() == 5);
  const auto arrived = round_trip(std::tuple{Empty(), std::vector<Empty>(2), 7});
  CHECK(std::get<2>(arrived) == 7);
}

TEST_CASE("recursive classes arrive; nesting has a limit that sender and receiver share") {
  const Tree tree{1, {{2, {}}, {3, {{4, {}}}}}};
  CHECK(round_trip(tree) == tree);

  const auto chain = [](unsigned length) {
    Link first;
    for (unsigned i = 1; i < length; ++i) {
      Link next;
      next.next = std::make_unique<Link>(std::move(first));
      first = std::move(next);
    }
    return first;
  };
  constexpr unsigned limit = ipc::detail::Nesting::limit;
  ipc::detail::Message longest = message_of(chain(limit));
  const std::size_t size = longest.bytes.size();
  CHECK(value_of<Link>(std::move(longest)).next != nullptr);
  CHECK_THROWS_AS(message_of(chain(limit + 1)), ipc::EncodingError);
  // What a hostile sender could make: nothing but "there is one more".
  CHECK(size == limit);
  ipc::detail::Message hostile{ipc::Bytes(1 << 20, std::byte{1}), {}};
  CHECK_THROWS_AS(value_of<Link>(std::move(hostile)), ipc::EncodingError);
}

/// As a connection: there is one, and it can only be given away.
struct Token {
  explicit Token(int n) : number(n) {}
  Token(Token&& other) noexcept : number(std::exchange(other.number, 0)) {}
  Token& operator=(Token&& other) noexcept {
    number = std::exchange(other.number, 0);
    return *this;
  }
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
  ~Token() = default;
  void ipc_encode(ipc::detail::Writer& writer) { writer.raw(std::exchange(number, 0)); }
  static Token ipc_decode(ipc::detail::Reader& reader) { return Token(reader.raw<int>()); }
  int number;
};

struct Carrier {
  struct Inner {
    Token token{2};
    std::vector<Token> more;
    template <class Archive>
    void serialize(Archive& ar, unsigned) {
      ar& token& more;
    }
  };
  int id = 1;
  Token token{1};
  Inner inner;
  Token pair[2] = {Token(4), Token(5)};
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& id& token& inner& pair;
  }
};

struct Descriptors {
  ipc::Fd own;
  std::string text;
  unsigned narrow : 3 = 5;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    if constexpr (Archive::is_saving::value) {
      ar << own << text << narrow;
    } else {
      unsigned number = 0;
      ar >> own >> text >> number;
      narrow = number & 7;
    }
  }
};

TEST_CASE("members that can only be given away go with a value that is given up, however deep") {
  Carrier carrier;
  carrier.inner.more.emplace_back(3);
  const auto arrived = ipc::test::round_trip_moved(std::move(carrier));
  CHECK((arrived.token.number == 1 && arrived.inner.token.number == 2 && arrived.inner.more.at(0).number == 3));
  CHECK((arrived.pair[0].number == 4 && arrived.pair[1].number == 5 && arrived.id == 1));
  CHECK((carrier.token.number == 0 && carrier.inner.token.number == 0 && carrier.pair[1].number == 0));
}

TEST_CASE("a descriptor in a class is duplicated, or moves when the class is given up") {
  Descriptors kept{.own = ipc::Fd::duplicate_of(0), .text = "t"};
  const auto copy = round_trip(kept);
  CHECK((kept.own.get() >= 0 && copy.own.get() >= 0 && copy.own.get() != kept.own.get() && copy.narrow == 5));
  const int number = kept.own.get();
  const auto moved = ipc::test::round_trip_moved(std::move(kept));
  CHECK((moved.own.get() == number && moved.text == "t" && moved.narrow == 5));
}

}  // namespace
