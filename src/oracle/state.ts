/** How a packet changes its flow's state, where only the client's half is seen, as in IPVS: the twin of bpf/state.h. */

/**
 * The event that a packet is for its flow. `passive`: none, because it is an ICMP error or a later fragment; `ipsec`: the
 * client's IKE goes on.
 */
export type FlowEvent = 'syn' | 'fin' | 'ack' | 'rst' | 'none' | 'datagram' | 'initial' | 'passive' | 'ipsec';

/** Whether a packet is never scheduled by itself. */
export function beginsNothing(event: FlowEvent): boolean {
  return event === 'passive' || event === 'ipsec';
}

/** The states of enum flow_state in bpf/layout.h that a flow or a template can have. */
export type LiveState =
  | 'syn-recv'
  | 'unconfirmed'
  | 'udp-new'
  | 'template-new'
  | 'close'
  | 'time-wait'
  | 'fin-wait'
  | 'udp'
  | 'established'
  | 'template'
  | 'udp-lasting'
  | 'established-lasting'
  | 'template-lasting';

const TCP_FIN = 0x01;
const TCP_SYN = 0x02;
const TCP_RST = 0x04;
const TCP_ACK = 0x10;

/** The event of a TCP segment, by its flags. RST comes before SYN, SYN before FIN, as in IPVS (tcp_state_idx). */
export function tcpEvent(flags: number): FlowEvent {
  if ((flags & TCP_RST) !== 0) {
    return 'rst';
  }
  if ((flags & TCP_SYN) !== 0) {
    return 'syn';
  }
  if ((flags & TCP_FIN) !== 0) {
    return 'fin';
  }
  return (flags & TCP_ACK) !== 0 ? 'ack' : 'none';
}

/** The QUIC versions whose Initial packets are known, and the first byte's upper half in them (RFC 9000, RFC 9369). */
const QUIC_INITIAL: ReadonlyMap<number, number> = new Map([
  [0x0000_0001, 0xc0],
  [0x6b33_43cf, 0xd0],
]);

/** The event of a datagram, by its payload. */
export function udpEvent(payload: Uint8Array): FlowEvent {
  if (payload.length < 5) {
    return 'datagram';
  }
  const version = new DataView(payload.buffer, payload.byteOffset).getUint32(1);
  return QUIC_INITIAL.get(version) === (payload[0]! & 0xf0) ? 'initial' : 'datagram';
}

type TcpState = 'syn-recv' | 'unconfirmed' | 'close' | 'time-wait' | 'fin-wait' | 'established';

/**
 * Event, state, next state (net/netfilter/ipvs/ip_vs_proto_tcp.c, INPUT-ONLY; there a flow stays closed). A state that is
 * missing here becomes `close`.
 */
const TCP_TABLE: Partial<Record<FlowEvent, Partial<Record<LiveState, TcpState>>>> = {
  syn: {
    'syn-recv': 'syn-recv',
    unconfirmed: 'unconfirmed',
    close: 'syn-recv',
    'time-wait': 'syn-recv',
    'fin-wait': 'syn-recv',
    established: 'established',
  },
  fin: {
    'syn-recv': 'time-wait',
    unconfirmed: 'fin-wait',
    close: 'fin-wait',
    'time-wait': 'time-wait',
    'fin-wait': 'fin-wait',
    established: 'fin-wait',
  },
  ack: {
    'syn-recv': 'unconfirmed',
    unconfirmed: 'established',
    close: 'established',
    'time-wait': 'time-wait',
    'fin-wait': 'fin-wait',
    established: 'established',
  },
  rst: { 'syn-recv': 'syn-recv' },
};

export function nextState(state: LiveState, event: FlowEvent): LiveState {
  switch (event) {
    case 'passive':
      return state;
    case 'datagram':
    case 'initial':
    case 'ipsec':
      return 'udp';
    default:
      return TCP_TABLE[event]?.[state] ?? 'close';
  }
}

/** The state that each young state becomes once the flow sent in more than one unit of time. */
const LASTING: Partial<Record<LiveState, LiveState>> = {
  udp: 'udp-lasting',
  established: 'established-lasting',
  template: 'template-lasting',
};

const YOUNG = new Map(Object.entries(LASTING).map(([young, lasting]) => [lasting, young as LiveState]));

export function isLasting(state: LiveState): boolean {
  return YOUNG.has(state);
}

/** Whether a flow in this state lasts with its next packet in another unit of time. */
export function isYoung(state: LiveState): boolean {
  return LASTING[state] !== undefined;
}

/** @param age since the packet before, in seconds */
export function stateAfter(state: LiveState, event: FlowEvent, age: number): LiveState {
  const young = YOUNG.get(state) ?? state;
  const next = nextState(young, event);
  return next === young && (state !== young || age > 0) ? (LASTING[next] ?? next) : next;
}
