/** Writes cpio archives in the "newc" format, which the kernel unpacks as its initramfs. Pure. */

/** A file, or a directory if there is no content. */
export interface CpioEntry {
  /** Without a leading slash. */
  readonly path: string;
  /** File type and permissions (inode(7)). */
  readonly mode: number;
  readonly content?: Uint8Array;
}

export const EXECUTABLE = 0o100755;
export const DIRECTORY = 0o040755;

/** linux/Documentation/driver-api/early-userspace/buffer-format.rst */
const MAGIC = '070701';
const TRAILER: CpioEntry = { path: 'TRAILER!!!', mode: 0 };

/** Returns an archive's bytes. A directory must come before its files. */
export function cpio(entries: readonly CpioEntry[]): Uint8Array {
  return Buffer.concat([...entries, TRAILER].flatMap(encode));
}

function encode({ path, mode, content = new Uint8Array() }: CpioEntry, index: number): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, four device numbers, namesize, check
  const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''));
  return [padded(Buffer.concat([header, name])), padded(content)];
}

function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, new Uint8Array(-bytes.length & 3)]);
}
