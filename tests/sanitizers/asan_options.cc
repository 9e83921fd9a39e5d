// How the sanitizers of the asan preset run, in the program itself, so that it holds however a test
// starts it. Debian's libraries are built without them: memory may be taken in one and given back
// in the other. Undefined behaviour ends the program, since a line on stderr fails no test.
extern "C" const char* __asan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "alloc_dealloc_mismatch=0";
}

extern "C" const char* __ubsan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "halt_on_error=1:print_stacktrace=1";
}
