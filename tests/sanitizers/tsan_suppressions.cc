// What the thread sanitizer must not report, in the program itself, so that it holds however a test
// starts it. Each line names a library that Debian builds without the sanitizer and that orders its
// own work by atomics, which then nobody sees. What lies behind an absl::Mutex needs no line
// (absl_mutex.cc).
//
// called_from_lib: what the library itself does by memcpy, malloc, free, close and the like. What
// it calls back, our handlers on its threads, is watched as everywhere. race: the same for
// libraries that take locks of the C library, of which the sanitizer must go on hearing.
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return
      // Calls, their memory and their errors are handed from thread to thread by counts and queues.
      "called_from_lib:libgpr.so\n"
      "called_from_lib:libgrpc.so\n"
      "called_from_lib:libgrpc++.so\n"
      "called_from_lib:libabsl_status.so\n"
      "called_from_lib:libabsl_cord.so\n"
      // Its thread pool takes two of its own locks in both orders while it starts and ends.
      "deadlock:libgrpc.so\n"
      // The loop takes the number of a closed socket out of epoll when the next has got it.
      "called_from_lib:libevent-2.1.so\n"
      // The threads of a backup hand their results to the waiting one by std::future.
      "race:librocksdb.so\n";
}
