{
  "targets": [
    {
      "target_name": "bpf",
      "sources": [
        "src/addon.cc",
        "src/btf.cc",
        "src/check_http.cc",
        "src/check_ping.cc",
        "src/check_ports.cc",
        "src/checks.cc",
        "src/error.cc",
        "src/ethtool.cc",
        "src/flows.cc",
        "src/frames.cc",
        "src/hand_over.cc",
        "src/link.cc",
        "src/map.cc",
        "src/netlink.cc",
        "src/object.cc",
        "src/poller.cc",
        "src/program.cc",
        "src/ring_buffer.cc",
        "src/system.cc",
        "src/tc.cc",
        "src/util.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "../bpf"],
      "cflags": ["<!@(pkg-config --cflags libbpf)", "-Wall", "-Wextra"],
      "cflags_cc": ["-std=c++20", "-fexceptions", "-fvisibility=hidden"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17"],
      "libraries": ["<!@(pkg-config --libs libbpf)"],
      "defines": [
        "NAPI_VERSION=8",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_ADDON_API_CPP_EXCEPTIONS_ALL",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ]
    }
  ]
}
