/**
 * Keeps Node.js's inspector shut, by which every local user could run code as root: SIGUSR1 opens it until something listens
 * to that signal, and flags and NODE_OPTIONS open it at the start. Imported before everything else.
 */

const isDaemon = process.argv.includes('run');

/** The daemon replaces this by a report when it is ready. Until then the signals do nothing. */
const ignore = (): void => undefined;
process.on('SIGUSR1', ignore);
if (isDaemon) {
  process.on('SIGUSR2', ignore);
}

/** Whether the inspector was open when this process started. A daemon has closed it then. */
export const inspectorWasOpen = isDaemon && closeInspector();

function closeInspector(): boolean {
  const inspector = process.getBuiltinModule('node:inspector');
  if (inspector.url() === undefined) {
    return false;
  }
  inspector.close();
  return true;
}
