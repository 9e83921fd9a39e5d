// What simulated machines of every kind are made with: processes that end with their maker, files,
// host keys, ports.
//
// Thread-safe, but a process ends with the thread that started it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/server.h"

namespace muster {

// Starts a program, its path first, in a process group of its own and with no input or output.
pid_t Spawn(const std::vector<std::string>& words);
// REQUIRES: it succeeds
void RunToEnd(const std::vector<std::string>& words);

void WriteText(const std::string& path, std::string_view text);
std::string ReadText(const std::string& path);  // "" = there is none

// A fresh host key, "ed25519" or "ecdsa", at `path`, and how it is told from others.
HostKeyFingerprint MakeHostKey(const std::string& path, const std::string& kind);

// Until somebody may listen there, if only for a while: who did has ended, but may not be gone yet.
void AwaitFree(const std::string& address, int port);

}  // namespace muster
