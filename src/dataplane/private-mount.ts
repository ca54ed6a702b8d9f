/**
 * Whether the BPF file system with the pins ends before the host does: one that was mounted in a mount namespace of its own, as
 * under "ip netns exec", in a container or with PrivateMounts, goes with the last process there, and the pins with it.
 */

import { readFileSync, readlinkSync, statSync } from 'node:fs';

/** The number of the host's namespace of processes (PROC_PID_INIT_INO, linux/proc_ns.h). */
const HOST_PIDS = 'pid:[4026531836]';
/** What mountBpffs() names as its source. */
const OWN_SOURCE = 'beeline';

/** @param directory a folder in the BPF file system */
export function endsWithNamespace(directory: string): boolean {
  const { dev } = statSync(directory);
  return isPrivate(deviceOf(dev), readFileSync('/proc/self/mountinfo', 'utf8'), hostMounts());
}

/**
 * @param device as mountinfo has it: "0:35"
 * @param own the process's mounts (proc_pid_mountinfo(5))
 * @param host the host's; undefined if they cannot be seen
 */
export function isPrivate(device: string, own: string, host: string | undefined): boolean {
  if (host !== undefined) {
    return mountsOf(host, device).length === 0;
  }
  // One that came from outside has the source that the host gave it, or follows a mount there.
  return mountsOf(own, device).some(({ source, isFollower }) => source === OWN_SOURCE && !isFollower);
}

function mountsOf(mountinfo: string, device: string): { source: string; isFollower: boolean }[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const fields = before.split(' ');
    return fields[2] === device
      ? [{ source: after.split(' ')[1] ?? '', isFollower: fields.slice(6).some((each) => each.startsWith('master:')) }]
      : [];
  });
}

/** Returns the mounts of the host's first process; undefined if this process cannot see it. */
function hostMounts(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid') === HOST_PIDS ? readFileSync('/proc/1/mountinfo', 'utf8') : undefined;
  } catch {
    // Hidden (ProtectProc=).
    return undefined;
  }
}

/** Takes a device number apart as the kernel's new_encode_dev() put it together. */
function deviceOf(dev: number): string {
  return `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
}
