#pragma once

/// Where an application's work is that names no stream.

namespace attractor::cuda {

/// Waits for them: the one of all threads, and this thread's own, which is what an application compiled for those means
/// by it. The caller may just have enqueued what makes its queries, and the streams of waiting calls don't wait for
/// these.
///
/// @throws NotSupported one of them, or a stream that waits for it, is being captured. @throws DeviceError
void finish_default_streams(int device);

}  // namespace attractor::cuda
