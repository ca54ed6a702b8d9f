/** Loads the addon, and says what to install if it cannot be loaded. */

/** What is missing on this machine for the addon to load. Shown without a stack. */
export class AddonError extends Error {
  override readonly name = 'AddonError';
  readonly code = 'ADDON_UNUSABLE';
}

/**
 * @param load loads the addon from a path relative to this file
 * @param platform the platform and the processor: "linux-x64"
 * @throws AddonError
 */
export function loadAddon<Addon>(load: (path: string) => Addon, platform: string): Addon {
  try {
    return load(`../../native/${platform}/bpf.node`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND') {
      throw new AddonError(
        `there is no addon for ${platform}: in a checkout run "scripts/build"; otherwise install the package that was made ` +
          'for this processor',
        { cause: error },
      );
    }
    if (code !== 'ERR_DLOPEN_FAILED') {
      throw error;
    }
    throw new AddonError(
      message.includes('libbpf.so.1: cannot open')
        ? 'the library libbpf 1.x is missing: install the package libbpf1 ("apt-get install libbpf1" on Debian)'
        : `the addon does not load on this system: ${message.split('\n', 1)[0]!}`,
      { cause: error },
    );
  }
}
