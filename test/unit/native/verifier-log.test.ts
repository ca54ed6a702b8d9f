/** The line of a verifier's log that explains the failure. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { summarizeVerifierLog } from '../../../src/native/verifier-log.js';

test('the error before the statistics is the summary, with its source line', () => {
  // Kernel 6.18, test/bpf/refused.bpf.c.
  const log = `0: R1=ctx() R10=fp0
; return *(__u8 *)(long)context->data; @ refused.bpf.c:13
0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(r=0)
1: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
  assert.equal(
    summarizeVerifierLog(log),
    'R1 offset is outside of the packet (at: return *(__u8 *)(long)context->data; @ refused.bpf.c:13)',
  );
});

test("libbpf's messages are all in the summary", () => {
  assert.equal(
    summarizeVerifierLog("libbpf: elf: 'x' is not a proper ELF object\nlibbpf: more\n"),
    "elf: 'x' is not a proper ELF object; more",
  );
});

test('an empty log has an empty summary', () => {
  assert.equal(summarizeVerifierLog(''), '');
});
