/** An example of a configuration, for the manual. A test checks it against the schema. */

export const EXAMPLE = `# Two services on one VIP, and one for DNS over UDP.
interfaces: [ens3]
services:
  - address: 192.168.1.100
    port: 80
    # A request to the VIP, through each real server.
    health: http
    realServers:
      - 192.168.1.31
      - { address: 192.168.1.32, weight: 3 }

  # IPVS's weighted least connections; for five minutes after its
  # last connection a client keeps its real server.
  - address: 192.168.1.100
    port: 443
    scheduler: wlc
    persistence: 300
    timeouts: { established: 7200 }
    # A connection every 2 seconds, and the page every 10.
    # If all fail, new clients go to 192.168.1.50.
    health:
      checks:
        - tcp
        - { type: https, path: /health, every: 5 }
      interval: 2
      fallback: 192.168.1.50
    realServers:
      - { address: 192.168.1.31, upperThreshold: 1000 }
      - { address: 192.168.1.32, vlan: 20 }

  # Only flows that a change of real servers moves are remembered.
  - address: fd00::100
    port: 53
    protocol: udp
    track: moved
    realServers: ['fd00::31', 'fd00::32']
`;
