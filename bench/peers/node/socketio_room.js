// Socket.IO with its Redis adapter, in a cluster.
//
// As its documentation advises for speed: websocket only (which also makes sticky sessions needless), bufferutil
// installed, no compression, the request of the handshake let go. Told by the environment: PEER_PORT, PEER_WORKERS,
// PEER_REDIS_URL.
const cluster = require("node:cluster");
const http = require("node:http");
const { createAdapter } = require("@socket.io/redis-adapter");
const { Redis } = require("ioredis");
const { Server } = require("socket.io");

const workers = Number(process.env.PEER_WORKERS);

function startWorker() {
  const publisher = new Redis(process.env.PEER_REDIS_URL, { enableAutoPipelining: true });
  const server = http.createServer(async (request, response) => {
    const ready = Number(await publisher.get("peer:ready")) >= workers;
    response.writeHead(ready ? 200 : 503).end();
  });
  const io = new Server(server, {
    adapter: createAdapter(publisher, publisher.duplicate()),
    transports: ["websocket"],
    perMessageDeflate: false,
    serveClient: false,
  });
  io.engine.on("connection", (raw) => {
    raw.request = null;
  });
  io.on("connection", (socket) => {
    let room;
    socket.on("join", (name, done) => {
      room = name;
      socket.join(room);
      done();
    });
    socket.on("m", (text) => io.to(room).emit("m", text));
  });
  server.listen(Number(process.env.PEER_PORT), "127.0.0.1", 4096, () => publisher.incr("peer:ready"));
}

if (cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill();
    process.exit(0);
  });
} else {
  startWorker();
}
