#include <functional>
#include <stdexcept>

#include <ipc/detail/callable.hpp>

#include "ipc/os/modules.hpp"
#include "tests/serialization/round_trip.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace ipc::detail;
using ipc::test::round_trip;

/// Encodes a call, runs it as another process would, decodes what it gave.
template <class F, class... Args>
auto call(const F& f, Args&&... args) {
  Writer request;
  encode_call(request, f, std::forward<Args>(args)...);
  Message message = request.take();
  Reader input(message);
  Writer output;
  run_call(input, output);
  REQUIRE(input.at_end());
  Message result = output.take();
  Reader reader(result);
  using Result = CallResult<F, Args...>;
  if constexpr (std::is_void_v<Result>) {
    REQUIRE(reader.at_end());
  } else {
    return decode_all<Result>(reader);
  }
}

int square(int x) { return x * x; }
int quiet(int x) noexcept { return x; }
std::size_t length_of(const char* text) { return std::string_view(text).size(); }
int add_to(int& sum, const int& a, int&& b, int c) { return sum += a + b + c; }
void nothing() {}
const std::string& reference(const std::string& text) { return text; }
std::string characters_and_lvalue(const char* text, std::string& other) { return other += text; }
const char* greeting() { return "hello"; }

class Counter {
 public:
  explicit Counter(int start = 0) : count_(start) {}
  virtual ~Counter() = default;
  int next() { return ++count_; }
  int peek() const noexcept { return count_; }
  virtual std::string kind() const { return "counter"; }
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& count_;
  }
  int count_;
};
struct Loud : Counter {
  using Counter::Counter;
  std::string kind() const override { return "loud"; }
};
struct Left {
  int left = 1;
};
struct Right {
  int right = 7;
  int next() { return ++right; }
};
struct Both : Left, Right {};
struct Padding {
  virtual ~Padding() = default;
  int padding = 0;
};
struct Second : Padding, Counter {
  int own() { return 7 + padding; }
};

struct Adder {  // Not trivially copyable, but knows how to travel.
  std::vector<int> terms;
  int operator()(int x) const {
    for (const int term : terms) x += term;
    return x;
  }
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& terms;
  }
};

struct Stateless {
  Stateless() = default;
  Stateless(const Stateless&) {}
  int operator()(int x) const { return x + 1; }
};

template <class T>
T twice(T x) {
  return x + x;
}

static_assert(ShippableCallable<decltype(square)>);
static_assert(ShippableCallable<decltype(&Counter::next)>);
static_assert(ShippableCallable<decltype(&Counter::count_)>);
static_assert(ShippableCallable<Adder> && ShippableCallable<Stateless>);
static_assert(!ShippableCallable<std::function<int(int)>>);
static_assert(!ShippableCallable<std::reference_wrapper<Adder>>);
static_assert(!ShippableCallable<Adder*>);
static_assert(!ShippableCallable<int>);
static_assert(CallableWith<decltype(add_to), int, int, int, int>);
static_assert(!CallableWith<decltype(square), std::string>);
using Seven = void (*)(int&, int&&, int&, int&&, int&, int&&, int&);
static_assert(CallableWith<Seven, int, int, int, int, int, int, int>);
static_assert(std::is_same_v<CallResult<decltype(square), int>, int>);
static_assert(std::is_same_v<CallResult<decltype(reference), std::string>, std::string>);
static_assert(std::is_same_v<CallResult<decltype(greeting)>, std::string>);
static_assert(std::is_same_v<CallResult<decltype(length_of), const char (&)[4]>, std::size_t>);

TEST_CASE("functions are called with what was sent") {
  CHECK(call(square, 7) == 49);
  CHECK(call(&square, 7) == 49);
  CHECK(call(quiet, 3) == 3);
  CHECK(call(twice<std::string>, "ab") == "abab");
  call(nothing);
  CHECK(call(greeting) == "hello");
}

TEST_CASE("parameters of every kind take arguments that arrived") {
  CHECK(call(add_to, 1, 2, 3, 4) == 10);
  CHECK(call(length_of, "four") == 4);
  CHECK(call(length_of, std::string("four")) == 4);
  CHECK(call(reference, "text") == "text");
  CHECK(call(characters_and_lvalue, "b", "a") == "ab");
  const auto each_its_way = [](const char* text, std::unique_ptr<int> a, int& b, const int& c, int&& d) {
    return std::string(text) + std::to_string(*a + b + c + d);
  };
  CHECK(call(each_its_way, "ten: ", std::make_unique<int>(1), 2, 3, 4) == "ten: 10");
  CHECK(call([](std::string text) { return text.size(); }, "abc") == 3);
  CHECK(call([](auto... parts) { return (parts + ... + 0); }, 1, 2, 3) == 6);
  CHECK(call([](std::unique_ptr<int> p) { return *p; }, std::make_unique<int>(8)) == 8);
  CHECK(call([](const std::vector<int>& v, std::optional<double> d) { return static_cast<double>(v.size()) + d.value_or(0); },
             std::vector<int>{1, 2}, std::optional<double>(0.5)) == 2.5);
}

TEST_CASE("lambdas that capture nothing cost no bytes, those that capture values cost theirs") {
  Writer writer;
  encode_callable(writer, [](int x) { return x; });
  CHECK(writer.size() == 0);
  int factor = 3;  // Not const: a constant need not be captured.
  double offset = 0.5;
  const auto scale = [factor, offset](int x) { return x * factor + offset; };
  encode_callable(writer, scale);
  CHECK(writer.size() == sizeof scale);
  CHECK(call(scale, 2) == 6.5);
  CHECK(call([factor]() mutable { return factor + 1; }) == 4);
}

TEST_CASE("function objects travel by their serialize, or by being empty") {
  CHECK(call(Adder{{1, 2, 3}}, 4) == 10);
  CHECK(call(Stateless(), 4) == 5);
  CHECK(call(std::plus<>(), 1, 2) == 3);
  CHECK(call(std::less<int>(), 1, 2));
}

TEST_CASE("members are called on the object that was sent") {
  CHECK(call(&Counter::next, Counter(4)) == 5);
  CHECK(call(&Counter::peek, Counter(4)) == 4);
  CHECK(call(&Counter::count_, Counter(4)) == 4);
  CHECK(call(&Counter::kind, Loud()) == "loud");  // Virtual: found by the object, not by the pointer.
  CHECK(call(&Counter::kind, Counter()) == "counter");
}

TEST_CASE("pointers to functions and members are values, null ones too") {
  CHECK(round_trip(&square) == &square);
  CHECK(round_trip(&Counter::next) == &Counter::next);
  CHECK(round_trip(&Counter::kind) == &Counter::kind);
  CHECK(round_trip(&Second::own) == &Second::own);
  // Needs `this` adjusted: Right is not at the start of a Both.
  const auto adjusted = static_cast<int (Both::*)()>(&Right::next);
  CHECK(round_trip(adjusted) == adjusted);
  Both both;
  CHECK((both.*round_trip(adjusted))() == 8);
  // Not called: GCC's UndefinedBehaviorSanitizer looks for a Second where, rightly, its Counter is.
  const auto adjusted_virtual = static_cast<std::string (Second::*)() const>(&Counter::kind);
  CHECK(round_trip(adjusted_virtual) == adjusted_virtual);
  CHECK(round_trip(static_cast<int (*)(int)>(nullptr)) == nullptr);
  CHECK(round_trip(static_cast<int (Counter::*)()>(nullptr)) == nullptr);
  CHECK(call([](int (*f)(int), int x) { return f(x); }, &square, 5) == 25);
}

TEST_CASE("what the callable throws passes through, and no result is written") {
  Writer request;
  encode_call(
      request, [](int x) -> int { throw std::out_of_range(std::to_string(x)); }, 5);
  Reader input(request.view());
  Writer output;
  CHECK_THROWS_AS(run_call(input, output), std::out_of_range);
  CHECK(output.size() == 0);
}

TEST_CASE("calls follow each other in one message") {
  Writer request;
  encode_call(request, square, 2);
  encode_call(request, greeting);
  Reader input(request.view());
  Writer output;
  run_call(input, output);
  run_call(input, output);
  CHECK(input.at_end());
  Reader result(output.view());
  CHECK(decode<int>(result) == 4);
  CHECK(decode_all<std::string>(result) == "hello");
}

TEST_CASE("a token names the program's build and an offset into its code") {
  const Token token = token_of(reinterpret_cast<const void*>(&square));
  CHECK(token.module == main_module_id());
  CHECK(resolve(token) == reinterpret_cast<const void*>(&square));
  CHECK(main_module_id() == ipc::os::loaded_modules().front().id);
  // Of a shared library.
  const Token library = token_of(reinterpret_cast<const void*>(&std::terminate));
  CHECK(resolve(library) != nullptr);
}

TEST_CASE("a token that names nothing here is refused with a sentence") {
  Token token = token_of(reinterpret_cast<const void*>(&square));
  CHECK_THROWS_WITH(resolve({token.module ^ 1, token.offset}), ipc::test::has_text("not loaded in this process"));
  CHECK_THROWS_AS(resolve({token.module, 0}), ipc::EncodingError);  // The ELF header is no code.
  CHECK_THROWS_AS(resolve({token.module, ~std::uint64_t{0}}), ipc::EncodingError);
  CHECK_THROWS_AS(resolve({0, 0}), ipc::EncodingError);
  static int data = 0;
  CHECK_THROWS_AS(token_of(&data), ipc::NotShippable);
  CHECK_THROWS_AS(token_of(std::make_unique<int>().get()), ipc::NotShippable);
  CHECK_THROWS_AS(decode_callable<int (Counter::*)()>(*std::make_unique<Reader>(std::as_bytes(std::span("0123456789abcdef01234567", 24)))),
                  ipc::EncodingError);
}

TEST_CASE("modules are told apart, and their code lies where it says") {
  const auto modules = ipc::os::loaded_modules();
  REQUIRE(modules.size() >= 1);
  for (const auto& module : modules) {
    CHECK(module.id != 0);
    for (const auto& range : module.code) CHECK(range.begin < range.end);
  }
}

TEST_CASE("why a callable cannot be shipped names its type and what to do") {
  CHECK(why_not_shippable<decltype(square)>().empty());
  CHECK_THAT(why_not_shippable<std::function<int(int)>>(), ipc::test::has_text("std::function<int (int)>"));
  std::string text = "captured";
  const auto captures = [text] { return text; };
  CHECK_THAT(why_not_shippable<decltype(captures)>(), ipc::test::has_text("not trivially copyable") && ipc::test::has_text("serialize"));
}

#if defined(__has_builtin) && !defined(__SANITIZE_ADDRESS__)  // Its stack may not be the thread's.
#if __has_builtin(__builtin_clear_padding)
TEST_CASE("a capture by reference of a local variable is refused when it is sent") {
  int local = 1;
  const auto by_reference = [&local](int x) { return x + local; };
  Writer writer;
  CHECK_THROWS_AS(encode_call(writer, by_reference, 1), ipc::NotShippable);
  CHECK_THROWS_WITH(encode_callable(writer, by_reference), ipc::test::has_text("captures a reference"));
}
#endif
#endif

}  // namespace
