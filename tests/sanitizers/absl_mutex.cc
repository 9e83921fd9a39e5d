// Tells the thread sanitizer what absl::Mutex orders; linked into every program of the tsan preset,
// and into nothing else.
//
// Debian's abseil is built without the sanitizer, so that its locks order nothing in its eyes: all
// that lies behind an absl::Mutex, of ours and of gRPC's, would be reported as a race. Suppressing
// that would suppress the real ones with it. So these definitions stand before the library's (a
// program comes first in symbol lookup), note what happens, and hand on to it. What the library
// does inside is neither seen nor ordered, as abseil's own annotations have it.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

#include "absl/synchronization/mutex.h"

namespace {

template <typename Function>
Function* TheLibrarys(const char* symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) std::abort();  // another abseil: the names below are Debian 12's
  return reinterpret_cast<Function*>(found);
}

// The library may come back to these definitions from within; what it does there is its own matter.
thread_local bool inside = false;

template <typename Call>
auto Inside(Call call) {
  inside = true;
  auto result = call();
  inside = false;
  return result;
}

template <typename Call>
auto Locking(void* mutex, unsigned flags, Call call) {
  if (inside) return call();
  __tsan_mutex_pre_lock(mutex, flags);
  const bool locked = Inside(call);
  __tsan_mutex_post_lock(mutex, locked ? flags : flags | __tsan_mutex_try_lock_failed, 0);
  return locked;
}

template <typename Call>
void Unlocking(void* mutex, unsigned flags, Call call) {
  if (inside) return (void)call();
  __tsan_mutex_pre_unlock(mutex, flags);
  Inside(call);
  __tsan_mutex_post_unlock(mutex, flags);
}

// A wait gives the lock back and takes it again; the condition may be evaluated by another thread
// meanwhile, under the lock, which is between its own pre_unlock and post_unlock then.
template <typename Call>
auto Waiting(void* mutex, Call call) {
  if (inside) return call();
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
  __tsan_mutex_pre_lock(mutex, 0);
  auto result = Inside(call);
  __tsan_mutex_post_lock(mutex, 0, 0);
  return result;
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static auto* const lock = TheLibrarys<void(Mutex*)>("_ZN4absl7debian35Mutex4LockEv");
  Locking(this, 0, [&] { return lock(this), true; });
}

void Mutex::Unlock() {
  static auto* const unlock = TheLibrarys<void(Mutex*)>("_ZN4absl7debian35Mutex6UnlockEv");
  Unlocking(this, 0, [&] { return unlock(this), true; });
}

bool Mutex::TryLock() {
  static auto* const try_lock = TheLibrarys<bool(Mutex*)>("_ZN4absl7debian35Mutex7TryLockEv");
  return Locking(this, __tsan_mutex_try_lock, [&] { return try_lock(this); });
}

void Mutex::ReaderLock() {
  static auto* const lock = TheLibrarys<void(Mutex*)>("_ZN4absl7debian35Mutex10ReaderLockEv");
  Locking(this, __tsan_mutex_read_lock, [&] { return lock(this), true; });
}

void Mutex::ReaderUnlock() {
  static auto* const unlock = TheLibrarys<void(Mutex*)>("_ZN4absl7debian35Mutex12ReaderUnlockEv");
  Unlocking(this, __tsan_mutex_read_lock, [&] { return unlock(this), true; });
}

void Mutex::Await(const Condition& condition) {
  static auto* const await =
      TheLibrarys<void(Mutex*, const Condition&)>("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  Waiting(this, [&] { return await(this, condition), true; });
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const wait =
      TheLibrarys<void(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  Waiting(mutex, [&] { return wait(this, mutex), true; });
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const wait = TheLibrarys<bool(CondVar*, Mutex*, Duration)>(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return Waiting(mutex, [&] { return wait(this, mutex, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const wait = TheLibrarys<bool(CondVar*, Mutex*, Time)>(
      "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return Waiting(mutex, [&] { return wait(this, mutex, deadline); });
}

ABSL_NAMESPACE_END
}  // namespace absl
