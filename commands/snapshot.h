// Snapshot: the World as bytes and back, and its digest.
//
// The bytes are canonical: two Worlds are equal exactly when their bytes are, however they came
// about. So a snapshot can be proved equal to a fold of the log from zero. The layout follows the
// structs (see snapshot.cc) and is no contract: whoever changes a state raises kWorldFormat.
// Pure; reactor thread.
#pragma once

#include <string>
#include <string_view>

#include "commands/world.h"
#include "eventstore/base/status.h"

namespace muster {

inline constexpr int kWorldFormat = 8;

std::string SerializeWorld(const World& world);

// kDataLoss  not the bytes of a World of this format: fold the log instead
StatusOr<World> ParseWorld(std::string_view bytes);

// SHA-256 of SerializeWorld, in hex.
std::string Digest(const World& world);

}  // namespace muster
