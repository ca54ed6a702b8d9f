/** Summarizes the log of the verifier or libbpf. */

/** Lines that the verifier adds after its error (kernel/bpf/verifier.c, print_verification_stats). */
const STATISTICS =
  /^(processed \d+ insns|verification time|stack depth|mark_precise|max_states_per_insn|BPF program is too large)/;

/**
 * Returns a line that explains a failed load; empty for an empty log.
 *
 * The verifier's error is the last line before the statistics. The register states and instructions before it
 * ("12: (79) r1 = …", "; int x = …") are left out. libbpf's messages ("libbpf: …") all explain the failure, so they are joined.
 */
export function summarizeVerifierLog(log: string): string {
  const lines = log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !STATISTICS.test(line));
  const messages = lines.filter((line) => line.startsWith('libbpf: '));
  if (messages.length === lines.length) {
    return messages.map((line) => line.slice('libbpf: '.length)).join('; ');
  }
  const last = lines.at(-1) ?? '';
  const source = lines.findLast((line) => line.startsWith('; '));
  return source === undefined || source === last ? last : `${last} (at: ${source.slice(2).trim()})`;
}
