#include <chrono>
#include <climits>
#include <cmath>
#include <complex>
#include <filesystem>
#include <limits>
#include <numeric>
#include <random>

#include "tests/serialization/round_trip.hpp"
#include "tests/support/catch.hpp"

namespace {

using ipc::test::message_of;
using ipc::test::round_trip;
using ipc::test::round_trip_moved;
using ipc::test::value_of;
using namespace std::string_literals;

enum class Colour : std::uint8_t { red, green = 200 };
enum Plain : int { zero, hundred = 100 };

struct Point {
  int x;
  double y;
  friend bool operator==(const Point&, const Point&) = default;
};

struct Nothing {
  friend bool operator==(const Nothing&, const Nothing&) = default;
};

struct Fixed {
  explicit Fixed(int n) : value(n) {}
  const int value;
  friend bool operator==(const Fixed&, const Fixed&) = default;
};

struct Explosive {
  Explosive() = default;
  explicit Explosive(int) { throw 1; }
  std::string text;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& text;
  }
};

TEST_CASE("scalars arrive as they were sent") {
  CHECK(round_trip(true));
  CHECK_FALSE(round_trip(false));
  CHECK(round_trip(INT_MIN) == INT_MIN);
  CHECK(round_trip(ULLONG_MAX) == ULLONG_MAX);
  CHECK(round_trip('x') == 'x');
  CHECK(round_trip(u'x') == u'x');
  CHECK(round_trip(std::byte{7}) == std::byte{7});
  CHECK(round_trip(-0.0) == 0.0);
  CHECK(std::signbit(round_trip(-0.0)));
  CHECK(std::isnan(round_trip(std::nan(""))));
  CHECK(round_trip(std::numeric_limits<long double>::min()) == std::numeric_limits<long double>::min());
  CHECK(round_trip(Colour::green) == Colour::green);
  CHECK(round_trip(hundred) == hundred);
  CHECK(round_trip(nullptr) == nullptr);
}

TEST_CASE("trivially copyable classes arrive, whatever their constructors") {
  CHECK(round_trip(Point{3, 0.5}) == Point{3, 0.5});
  CHECK(round_trip(Nothing{}) == Nothing{});
  CHECK(round_trip(Fixed(9)).value == 9);
  CHECK(round_trip(std::vector<Fixed>{Fixed(1), Fixed(2)}) == std::vector<Fixed>{Fixed(1), Fixed(2)});
  CHECK(round_trip(std::array<Fixed, 2>{Fixed(1), Fixed(2)})[1].value == 2);
  CHECK(round_trip(std::vector<Nothing>(3)).size() == 3);
}

TEST_CASE("strings of every character type arrive, null characters included") {
  CHECK(round_trip(""s).empty());
  CHECK(round_trip("a\0b"s) == "a\0b"s);
  CHECK(round_trip(L"wide"s) == L"wide");
  CHECK(round_trip(u8"eight"s) == u8"eight");
  CHECK(round_trip(u"sixteen"s) == u"sixteen");
  CHECK(round_trip(U"thirty-two"s) == U"thirty-two");
  CHECK(round_trip(std::string(1 << 20, 'x')).size() == 1 << 20);
}

TEST_CASE("literals and character pointers arrive as strings") {
  CHECK(value_of<std::string>(message_of("literal")) == "literal");
  const char* pointer = "pointer";
  CHECK(value_of<std::string>(message_of(pointer)) == "pointer");
  char buffer[16] = "buffer";
  CHECK(value_of<std::string>(message_of(buffer)) == "buffer");  // Up to its null character, not 16 of them.
  struct {
    char name[4] = {'f', 'u', 'l', 'l'};
    char next[5] = "next";
  } record;
  CHECK(value_of<std::string>(message_of(record.name)) == "full");
  CHECK(value_of<std::wstring>(message_of(L"wide")) == L"wide");
  CHECK(ipc::detail::type_tag<char[8]>() == ipc::detail::type_tag<std::string>());
  CHECK(ipc::detail::type_tag<const char*>() == ipc::detail::type_tag<std::string>());
  const char* nothing = nullptr;
  CHECK_THROWS_AS(message_of(nothing), ipc::EncodingError);
}

TEST_CASE("sequences arrive in order") {
  CHECK(round_trip(std::vector<int>{}).empty());
  CHECK(round_trip(std::vector<int>{1, 2, 3}) == std::vector<int>{1, 2, 3});
  CHECK(round_trip(std::vector<std::string>{"a", "", "c"}) == std::vector<std::string>{"a", "", "c"});
  CHECK(round_trip(std::deque<int>{1, 2, 3}) == std::deque<int>{1, 2, 3});
  CHECK(round_trip(std::list<std::string>{"x", "y"}) == std::list<std::string>{"x", "y"});
  CHECK(round_trip(std::forward_list<int>{1, 2, 3}) == std::forward_list<int>{1, 2, 3});
  CHECK(round_trip(std::array<int, 3>{1, 2, 3}) == std::array<int, 3>{1, 2, 3});
  CHECK(round_trip(std::array<std::string, 2>{"a", "b"}) == std::array<std::string, 2>{"a", "b"});
  CHECK(round_trip(std::array<int, 0>{}).empty());
  CHECK(round_trip(std::vector<std::vector<std::vector<int>>>{{{1}, {}}, {}}) == std::vector<std::vector<std::vector<int>>>{{{1}, {}}, {}});
}

TEST_CASE("wide elements arrive from bytes that are not aligned for them") {
  for (std::size_t shift = 0; shift < 9; ++shift) {
    const std::tuple value{std::string(shift, 'x'), std::vector<double>{1, 2}, std::u32string(U"abc"), std::vector<Fixed>{Fixed(3)}};
    CHECK((round_trip(value) == value));
  }
}

TEST_CASE("a vector of bools arrives, at every length up to three bytes") {
  std::mt19937 random(1);
  for (std::size_t size = 0; size <= 24; ++size) {
    std::vector<bool> bits(size);
    for (std::size_t i = 0; i < size; ++i) bits[i] = random() % 2 == 0;
    CHECK(round_trip(bits) == bits);
    CHECK(message_of(bits).bytes.size() == 8 + (size + 7) / 8);
  }
}

TEST_CASE("sets and maps arrive, duplicates of the multi ones included") {
  CHECK(round_trip(std::set<int>{3, 1, 2}) == std::set<int>{1, 2, 3});
  CHECK(round_trip(std::set<int, std::greater<>>{3, 1, 2}) == std::set<int, std::greater<>>{1, 2, 3});
  CHECK(round_trip(std::multiset<int>{1, 1, 2}) == std::multiset<int>{1, 1, 2});
  CHECK(round_trip(std::map<std::string, int>{{"a", 1}, {"b", 2}}) == std::map<std::string, int>{{"a", 1}, {"b", 2}});
  CHECK(round_trip(std::multimap<int, int>{{1, 2}, {1, 1}}) == std::multimap<int, int>{{1, 2}, {1, 1}});
  CHECK(round_trip(std::unordered_set<std::string>{"a", "b"}) == std::unordered_set<std::string>{"a", "b"});
  CHECK(round_trip(std::unordered_multiset<int>{1, 1}) == std::unordered_multiset<int>{1, 1});
  CHECK(round_trip(std::unordered_map<int, std::string>{{1, "a"}}) == std::unordered_map<int, std::string>{{1, "a"}});
  CHECK(round_trip(std::unordered_multimap<int, int>{{1, 1}, {1, 2}}) == std::unordered_multimap<int, int>{{1, 1}, {1, 2}});
}

TEST_CASE("pairs, tuples, optionals and variants arrive") {
  CHECK(round_trip(std::pair{1, "b"s}) == std::pair{1, "b"s});
  CHECK(round_trip(std::tuple{1, "b"s, 2.5, true}) == std::tuple{1, "b"s, 2.5, true});
  CHECK(round_trip(std::tuple<>{}) == std::tuple<>{});
  CHECK(round_trip(std::tuple{std::tuple{1}}) == std::tuple{std::tuple{1}});
  CHECK(round_trip(std::vector<std::tuple<>>(4)).size() == 4);
  using Nested = std::optional<std::optional<int>>;
  CHECK(round_trip(Nested{}) == Nested{});
  CHECK(round_trip(Nested{std::optional<int>{}}) == Nested{std::optional<int>{}});
  CHECK(round_trip(Nested{5}) == Nested{5});
  CHECK(round_trip(std::optional{true}) == std::optional{true});
  using Choice = std::variant<std::monostate, int, std::string, std::vector<int>>;
  for (const Choice& choice : {Choice{}, Choice{4}, Choice{"text"}, Choice{std::vector{1, 2}}}) CHECK(round_trip(choice) == choice);
  CHECK(std::get<1>(round_trip(std::variant<Fixed, Point>{Point{1, 2}})) == Point{1, 2});
}

TEST_CASE("a variant that is valueless by exception is refused by the sender") {
  std::variant<std::string, Explosive> choice = "text";
  CHECK_THROWS_AS(choice.emplace<Explosive>(1), int);
  REQUIRE(choice.valueless_by_exception());
  CHECK_THROWS_AS(message_of(choice), ipc::EncodingError);
}

TEST_CASE("chrono, complex, bitset and path arrive") {
  using namespace std::chrono_literals;
  CHECK(round_trip(1500ms) == 1500ms);
  CHECK(round_trip(std::chrono::duration<double>(0.5)).count() == 0.5);
  const auto now = std::chrono::system_clock::now();
  CHECK(round_trip(now) == now);
  CHECK(round_trip(std::complex(1.0, -2.0)) == std::complex(1.0, -2.0));
  CHECK(round_trip(std::bitset<70>(0x5555)) == std::bitset<70>(0x5555));
  CHECK(round_trip(std::filesystem::path("/tmp/a b")) == "/tmp/a b");
}

class OnlyDeclared;

// Answers, not errors: a type that cannot be sent can still be a forked process's.
static_assert(!ipc::detail::Sendable<std::unique_ptr<int[]>> && !ipc::detail::Sendable<std::shared_ptr<int[3]>>);
static_assert(!ipc::detail::Sendable<std::map<int, std::vector<std::unique_ptr<std::string[]>>>>);
static_assert(!ipc::detail::Sendable<std::shared_ptr<OnlyDeclared>> && !ipc::detail::Sendable<std::unique_ptr<const OnlyDeclared>>);
static_assert(!ipc::detail::Sendable<std::shared_ptr<OnlyDeclared[]>> && !ipc::detail::Sendable<std::shared_ptr<void>>);

TEST_CASE("owning pointers arrive as what they own") {
  CHECK(*round_trip(std::make_shared<int>(4)) == 4);
  CHECK(round_trip(std::shared_ptr<int>()) == nullptr);
  CHECK(*round_trip(std::make_shared<const std::string>("s")) == "s");
  const auto unique = std::make_unique<std::string>("u");
  CHECK(*value_of<std::unique_ptr<std::string>>(message_of(unique)) == "u");
  std::vector<std::unique_ptr<int>> list;
  list.push_back(std::make_unique<int>(1));
  list.push_back(nullptr);
  const auto arrived = value_of<std::vector<std::unique_ptr<int>>>(message_of(list));
  REQUIRE(arrived.size() == 2);
  CHECK(*arrived[0] == 1);
  CHECK(arrived[1] == nullptr);
}

TEST_CASE("a descriptor is duplicated, or moves when its owner gives it up, also from within containers") {
  const auto any = [] { return ipc::Fd::duplicate_of(0); };
  const ipc::Fd kept = any();
  ipc::detail::Message message = message_of(kept);
  REQUIRE(message.fds.size() == 1);
  CHECK(message.fds[0].get() != kept.get());
  CHECK(value_of<ipc::Fd>(std::move(message)).get() >= 0);

  ipc::Fd given = any();
  const int number = given.get();
  CHECK(round_trip_moved(std::move(given)).get() == number);
  CHECK(given.get() == -1);

  std::vector<ipc::Fd> list;
  list.push_back(any());
  list.push_back(any());
  const int second = list[1].get();
  CHECK(round_trip_moved(std::move(list)).at(1).get() == second);
  CHECK(round_trip_moved(std::optional<ipc::Fd>(any()))->get() >= 0);
  CHECK(round_trip_moved(std::pair<int, ipc::Fd>(3, any())).second.get() >= 0);
  CHECK(std::get<0>(round_trip_moved(std::make_tuple(std::make_unique<ipc::Fd>(any()), 1)))->get() >= 0);
  std::map<int, ipc::Fd> by_number;
  by_number.emplace(1, any());
  CHECK(round_trip_moved(std::move(by_number)).at(1).get() >= 0);
  CHECK(round_trip_moved(std::variant<int, ipc::Fd>(any())).index() == 1);
}

// Random values of a type that mixes most rules: what one hand-written example misses, a thousand of these do not.
using Mixed =
    std::map<std::string,
             std::tuple<std::vector<std::optional<double>>, std::variant<int, std::string, std::vector<bool>>, std::deque<Point>>>;

std::string random_text(std::mt19937& random) {
  std::string text(random() % 20, ' ');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

Mixed random_mixed(std::mt19937& random) {
  Mixed value;
  for (auto n = random() % 5; n > 0; --n) {
    auto& [numbers, choice, points] = value[random_text(random)];
    for (auto i = random() % 6; i > 0; --i) {
      if (random() % 3 == 0) {
        numbers.emplace_back();
      } else {
        numbers.emplace_back(static_cast<double>(random()) / 7);
      }
    }
    switch (random() % 3) {
      case 0:
        choice = static_cast<int>(random());
        break;
      case 1:
        choice = random_text(random);
        break;
      default:
        choice = std::vector<bool>(random() % 20, true);
    }
    for (auto i = random() % 4; i > 0; --i) points.push_back({static_cast<int>(random()), 0.25});
  }
  return value;
}

TEST_CASE("a thousand random values of a mixed type arrive as they were sent") {
  std::mt19937 random(42);
  for (int i = 0; i < 1000; ++i) {
    const Mixed value = random_mixed(random);
    REQUIRE(round_trip(value) == value);
  }
}

TEST_CASE("values are decoded one after the other, and bytes that are left over are refused") {
  ipc::detail::Writer writer;
  ipc::detail::encode(writer, 7);
  ipc::detail::encode(writer, "seven");
  ipc::detail::Reader reader(writer.view());
  CHECK(ipc::detail::decode<int>(reader) == 7);
  CHECK(ipc::detail::decode_all<std::string>(reader) == "seven");
  ipc::detail::Reader again(writer.view());
  CHECK_THROWS_AS(ipc::detail::decode_all<int>(again), ipc::EncodingError);
}

TEST_CASE("types that differ have tags that differ") {
  using namespace ipc::detail;
  static_assert(type_tag<int>() == type_tag<const int&>());
  static_assert(type_tag<int>() != type_tag<unsigned>());
  static_assert(type_tag<int>() != type_tag<long>());
  static_assert(type_tag<std::vector<int>>() != type_tag<std::vector<long>>());
  static_assert(type_tag<Point>() != type_tag<Fixed>());
  std::uint64_t of_int = 0;
  std::uint64_t of_ints = 0;
  {
    struct Local {
      int number;
    };
    of_int = type_tag<Local>();
    of_ints = type_tag<std::vector<Local>>();
  }
  {
    struct Local {
      float number;
    };
    CHECK(type_tag<Local>() != of_int);
    CHECK(type_tag<std::vector<Local>>() != of_ints);
  }
  const auto doubles = [](int x) { return 2 * x; };
  const auto halves = [](int x) { return x / 2; };
  CHECK(type_tag<decltype(doubles)>() != type_tag<decltype(halves)>());
  CHECK(type_name<std::map<std::string, std::vector<int>>>().find("std::string") != std::string::npos);
  CHECK(type_name<std::vector<Point>>().find("Point") != std::string::npos);
}

}  // namespace
