/** How far a benchmark is, on a terminal and nowhere else. */

/** What a benchmark calls again and again. */
export type OnProgress = (done: number, total: number) => void;

/** Draws the share that is done on standard error's last line, and wipes it at the end; undefined without a terminal. */
export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): OnProgress | undefined {
  if (!stream.isTTY) {
    return undefined;
  }
  return (done, total) => {
    stream.write(done >= total ? '\r\x1b[K' : `\r${Math.floor((100 * done) / total)} %`);
  };
}
