"""A TCP proxy before a broker that reads the MQTT packets (5 and 3.1.1) that pass: which messages a client acknowledged
on the wire."""

import socket
import threading

CONNECT, PUBLISH, PUBACK = 1, 3, 4


def packets(buffer):
    """Whole packets at the front of a bytearray, as (type, flags, body); they are taken out of it."""
    while True:
        length, shift, at = 0, 0, 1
        while True:
            if at >= len(buffer):
                return
            length |= (buffer[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not buffer[at - 1] & 0x80:
                break
        if len(buffer) < at + length:
            return
        head, body = buffer[0], bytes(buffer[at:at + length])
        del buffer[:at + length]
        yield head >> 4, head & 0x0F, body


def variable_int(body, at):
    value = shift = 0
    while True:
        value |= (body[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not body[at - 1] & 0x80:
            return value, at


def read_publish(flags, body, version):
    """(packet id, topic, payload); the id is 0 at QoS 0."""
    end = 2 + int.from_bytes(body[:2], "big")
    topic, at, number = body[2:end].decode(), end, 0
    if flags & 0x06:
        number, at = int.from_bytes(body[at:at + 2], "big"), at + 2
    if version >= 5:
        properties, at = variable_int(body, at)
        at += properties
    return number, topic, body[at:]


def read_connect(body):
    """(version as MQTT counts: 4 is 3.1.1, client id)."""
    version, at = body[6], 10  # behind the name, level, flags and keep-alive
    if version >= 5:
        properties, at = variable_int(body, at)
        at += properties
    return version, body[at + 2:at + 2 + int.from_bytes(body[at:at + 2], "big")].decode()


class Connection:
    """Its version, and what is not acknowledged: by packet id, negative those of the client."""

    def __init__(self, client):
        self.client, self.version, self.under_way = client, 0, {}


class Wire:
    """Listens on .port; .acknowledged lists the (topic, payload) that clients have sent a PUBACK for, .delivered all that
    the broker has sent them, .taken those of theirs that the broker has, in that order. With `newest=4` it answers later versions as a broker that knows only
    3.1.1 does (3.1.2.2 there)."""

    def __init__(self, broker_port, newest=5):
        self.broker_port, self.newest = broker_port, newest
        self.acknowledged, self.taken, self.changed = [], [], threading.Condition()
        self.delivered = []
        self.clients, self.versions = [], []  # of each connection: the client's id, the version
        self.newest_of, self.tells_taken_over = {}, False  # by client id
        self.sockets, self.ended = set(), False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def accept(self):
        while not self.ended:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.broker_port), 5)
                broker.settimeout(None)
            except OSError:
                client.close()
                continue
            connection = Connection(client)
            self.sockets |= {client, broker}
            for source, target, from_client in ((client, broker, True), (broker, client, False)):
                threading.Thread(target=self.carry, args=(source, target, from_client, connection), daemon=True).start()

    def carry(self, source, target, from_client, connection):
        buffer = bytearray()
        try:
            while data := source.recv(65536):
                buffer += data
                for kind, flags, body in packets(buffer):
                    self.see(kind, flags, body, from_client, connection)
                if connection.version > self.newest:
                    source.sendall(b"\x20\x02\x00\x01")
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()
        self.sockets.discard(source)

    def see(self, kind, flags, body, from_client, connection):
        under_way = connection.under_way
        with self.changed:
            if kind == PUBLISH:
                number, topic, payload = read_publish(flags, body, connection.version)
                under_way[-number if from_client else number] = (topic, payload)
                if not from_client:
                    self.delivered.append((topic, payload))
            elif kind == PUBACK and not from_client:
                self.taken.append(under_way.pop(-int.from_bytes(body[:2], "big")))
            elif kind == PUBACK and from_client:
                refused = len(body) > 2 and body[2] >= 0x80
                if not refused:
                    self.acknowledged.append(under_way.pop(int.from_bytes(body[:2], "big")))
            elif kind == CONNECT and from_client:
                connection.version, client = read_connect(body)
                self.versions.append(connection.version)
                self.clients.append(client)
                older, self.newest_of[client] = self.newest_of.get(client), connection
                if self.tells_taken_over and older:  # MQTT 5, 3.14.2.1; this mosquitto only closes the connection
                    older.client.sendall(b"\xe0\x01\x8e")
            self.changed.notify_all()

    def wait_for(self, condition, seconds=20):
        with self.changed:
            assert self.changed.wait_for(condition, seconds), f"{len(self.acknowledged)} acknowledged"

    def close(self):
        self.ended = True
        self.listener.close()
        for end in list(self.sockets):
            end.close()
