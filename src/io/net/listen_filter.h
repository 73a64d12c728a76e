// Before a listening socket is closed: no new handshakes, so that closing resets no client that believes itself
// connected.
#pragma once

namespace anomctl::net {

// From now on the kernel drops first handshake packets to this listening TCP socket; connections that are already made
// can still be accepted. A client that comes later retries and finds the port closed. No effect where the kernel
// refuses the filter.
void drop_new_handshakes(int listening_socket);

}  // namespace anomctl::net
