// MUSTER_CANARY("name"): a place where an old bug can be let in again, to see that the storm
// reports it. A constant false everywhere but in the copies of a few files that muster-storm is
// linked with (tests/storm/CMakeLists.txt), which are compiled with MUSTER_CANARIES.
//
//   if (waited >= settle || MUSTER_CANARY("settled-at-once")) ...
//
// Names and bounds stand in tests/storm/canary.cc. Only in .cc files, never in a header: other
// objects would disagree on what an inline function is.
#pragma once

#ifdef MUSTER_CANARIES
namespace muster {
bool CanarySings(const char* name);
}
#define MUSTER_CANARY(name) ::muster::CanarySings(name)
#else
#define MUSTER_CANARY(name) false
#endif
