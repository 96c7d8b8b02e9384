#pragma once

namespace ipc::detail {

/// Looks where exceptions come from, at no cost until one is thrown and without a hook in the run-time library: nothing is
/// ever of this type, so a handler for it is never entered; but before the stack is unwound each handler's type is asked
/// whether it wants the exception, and this type's takes the opportunity to note the stack. So that
///
///     try { f(); } catch (const ThrowProbe&) {} catch (...) { encode_exception(…); }
///
/// sends along where in `f` it was thrown. Off until `trace_throws(true)`; what was noted belongs to the thread.
class ThrowProbe {
 public:
  ThrowProbe() = delete;
  // Defined nowhere, so that the type's description is the one in throw_probe.cpp.
  virtual ~ThrowProbe();
};

void trace_throws(bool on) noexcept;

}  // namespace ipc::detail
