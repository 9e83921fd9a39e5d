// Task<T>: a lazy coroutine on the reactor. The rest of the code says Task<StatusOr<T>>; that it is
// asio::awaitable is known only here and in workers/os.
//
// A Task starts when it is awaited or given to Runtime::Spawn, and is awaited once, on the reactor
// thread. Never throws for what the world does: results carry Status. House rules: name a temporary
// before co_await, no co_await inside a conditional expression, pass parameters by value when
// the coroutine outlives the caller's full expression.
#pragma once

#include <asio/awaitable.hpp>

namespace muster {

template <class T>
using Task = asio::awaitable<T>;

}  // namespace muster
