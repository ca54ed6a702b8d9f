/** Shows on a terminal how much of a benchmark is done. */

/** Called by a benchmark after each measurement. */
export type OnProgress = (done: number, total: number) => void;

/** Returns a function that shows the share done on standard error's last line and clears it at the end; undefined without a terminal. */
export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): OnProgress | undefined {
  if (!stream.isTTY) {
    return undefined;
  }
  return (done, total) => {
    stream.write(done >= total ? '\r\x1b[K' : `\r${Math.floor((100 * done) / total)} %`);
  };
}
