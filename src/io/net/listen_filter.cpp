#include "io/net/listen_filter.h"

#include <linux/filter.h>
#include <sys/socket.h>

namespace anomctl::net {

void drop_new_handshakes(int listening_socket) {
  // A socket filter sees the packet from its TCP header on; byte 13 holds the flags, SYN 0x02 and ACK 0x10.
  sock_filter code[] = {
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, 13},    {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02}, {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, 0xffffffff},
  };
  const sock_fprog program = {sizeof code / sizeof code[0], code};
  (void)setsockopt(listening_socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

}  // namespace anomctl::net
