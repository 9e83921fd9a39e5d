// The parsers are compiled with the sanitizers, the libraries around them are not: what is taken in
// one and given back in the other looks mismatched, poisoned or lost, and is none of it.
extern "C" const char* __asan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "alloc_dealloc_mismatch=0:allow_user_poisoning=0:detect_leaks=0";
}
