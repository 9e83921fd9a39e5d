// A file as the input of a command elsewhere (SshCommand::input), piece by piece.
#pragma once

#include <string>

#include "eventstore/base/status.h"
#include "workers/ports/ssh.h"

namespace muster {

// Each call of `next` gives the next piece, "" at the end; `bytes` is its size now. Pieces are
// small enough that the reactor, which reads them itself, is not held up by a disk that works.
//
// kNotFound, kPermissionDenied, kInvalidArgument (a folder)  as the message says
StatusOr<SshInput> OpenFileInput(const std::string& path);

}  // namespace muster
