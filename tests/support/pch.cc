// Anchors the precompiled header, which needs one source file to be built with.
#include "tests/support/pch.h"
