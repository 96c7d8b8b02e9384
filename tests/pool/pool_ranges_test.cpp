// What goes into maps and comes out of them: ranges and elements of every kind.

#include <ipc/pool.hpp>

#include <utility>
#include <vector>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

namespace ipc::test::found {

/// Has begin and end only beside it.
struct ThreeNumbers {
  std::vector<int> all{1, 2, 3};
};
inline auto begin(const ThreeNumbers& range) { return range.all.begin(); }
inline auto end(const ThreeNumbers& range) { return range.all.end(); }

}  // namespace ipc::test::found

using ipc::Pool;
using namespace ipc::test;

namespace {

template <class Results>
auto collected(Results results) {
  std::vector<typename Results::value_type> all;
  for (auto& result : results) all.push_back(std::move(result));
  return all;
}

}  // namespace

TEST_CASE("pool: maps take ranges as a loop does, with begin and end beside them") {
  Pool pool(2);
  const std::vector<int> expected{1, 4, 9};
  CHECK(pool.map(square, found::ThreeNumbers()) == expected);
  CHECK(pool.map_async(square, found::ThreeNumbers()).get() == expected);
  CHECK(collected(pool.imap(square, found::ThreeNumbers())) == expected);
}
