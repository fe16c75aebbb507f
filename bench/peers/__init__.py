"""The servers that are measured, in the order of the tables."""

from bench.peers.asgi_peers import FastApi, PythonSocketIo
from bench.peers.base import REPOSITORY, Launch, Peer
from bench.peers.native import Bun, NodeWs, SocketIo
from bench.peers.own import NaiveSanic, Parley

__all__ = ["PEERS", "REPOSITORY", "Launch", "Peer"]

PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (Parley(), Bun(), NodeWs(), SocketIo(), NaiveSanic(), FastApi(), PythonSocketIo())
}
