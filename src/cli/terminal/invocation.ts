/** The command line by which a user at this terminal runs Beeline, for hints that can be pasted. */

/**
 * Returns how to run Beeline again from the same folder: "beeline", or "sudo scripts/beeline" in a checkout.
 *
 * @param environment BEELINE_COMMAND, which scripts/beeline sets, and SUDO_USER
 */
export function invocation(environment: Readonly<Record<string, string | undefined>> = {}): string {
  const { BEELINE_COMMAND: command = 'beeline', SUDO_USER: user } = { ...process.env, ...environment };
  return user === undefined ? command : `sudo ${command}`;
}
