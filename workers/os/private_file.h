// A file that only its owner may read: for keys that this machine makes for itself.
#pragma once

#include <functional>
#include <string>

#include "eventstore/base/status.h"

namespace muster {

// The text in the file `path`. When there is none, it is made with mode 0600 and the text that
// `make` gives, and is on the disk when this returns. Blocks. Any thread.
//
// kFailedPrecondition  others may read it: chmod 600, and ask whether they have
// kUnavailable         it cannot be read or made; says why
// others               from `make`
StatusOr<std::string> ReadOrMakePrivateFile(const std::string& path,
                                            const std::function<StatusOr<std::string>()>& make);

// Appends `line` and a line break to the file `path`, made when there is none, and returns when
// they are on the disk. Blocks.
//
// kUnavailable, kResourceExhausted  not written, or not all of it
Status AppendLine(const std::string& path, const std::string& line);

}  // namespace muster
