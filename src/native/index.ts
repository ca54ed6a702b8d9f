/** The addon: its calls, its error, and system calls beside BPF. */

export {
  addon,
  type NativeBatch,
  type NativeCheckJob,
  type NativeCheckLoop,
  type NativeCheckRule,
  type NativeLink,
  type NativeMap,
  type NativeMapping,
  type NativeNetlinkSocket,
  type NativeObject,
  type NativeProgram,
  type NativeProgramInfo,
  type NativeRingBuffer,
  type OnDatagrams,
} from './addon.js';
export { KernelError } from './error.js';
export {
  availableMemory,
  bootName,
  bootTimeMs,
  cpuNumbers,
  ethtoolValue,
  FileLock,
  FrameListener,
  highestOf,
  libbpfVersion,
  mountBpffs,
  networkCookie,
  PacketSocket,
  possibleCpus,
  QuietPort,
  sendDatagram,
  synchronizeRcu,
} from './system.js';
