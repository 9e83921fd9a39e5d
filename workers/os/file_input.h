// A file as the input of a command elsewhere (SshCommand::input), piece by piece.
#pragma once

#include <functional>
#include <string>

#include "eventstore/base/status.h"
#include "eventstore/base/task.h"

namespace muster {

// Each call of what is returned gives the next piece, "" at the end. Pieces are small enough that
// the reactor, which reads them itself, is not held up by a disk that works.
//
// kNotFound, kPermissionDenied, kInvalidArgument (a folder)  as the message says
StatusOr<std::function<Task<StatusOr<std::string>>()>> OpenFileInput(const std::string& path);

}  // namespace muster
