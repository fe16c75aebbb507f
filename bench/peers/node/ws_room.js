// Node `ws`: rooms are sets of sockets, Redis between the processes of a cluster.
//
// As the documentation of ws recommends: no compression, bufferutil installed, one serialised message sent to each
// client. Redis through ioredis with automatic pipelining. Told by the environment: PEER_PORT, PEER_WORKERS,
// PEER_REDIS_URL.
const cluster = require("node:cluster");
const http = require("node:http");
const { Redis } = require("ioredis");
const { WebSocketServer } = require("ws");

const workers = Number(process.env.PEER_WORKERS);

function startWorker() {
  const redis = new Redis(process.env.PEER_REDIS_URL, { enableAutoPipelining: true });
  const subscriber = new Redis(process.env.PEER_REDIS_URL);
  const rooms = new Map();

  subscriber.on("message", (name, text) => {
    for (const socket of rooms.get(name) ?? []) socket.send(text);
  });

  function join(socket, name) {
    let room = rooms.get(name);
    if (!room) {
      rooms.set(name, (room = new Set()));
      subscriber.subscribe(name);
    }
    room.add(socket);
    socket.on("message", (data) => redis.publish(name, data));
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      room.delete(socket);
      if (!room.size && rooms.get(name) === room) {
        rooms.delete(name);
        subscriber.unsubscribe(name);
      }
    });
  }

  const server = http.createServer(async (request, response) => {
    const ready = Number(await redis.get("peer:ready")) >= workers;
    response.writeHead(ready ? 200 : 503).end();
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket, request) => join(socket, request.url.slice("/feed/".length)));
  server.listen(Number(process.env.PEER_PORT), "127.0.0.1", 4096, () => redis.incr("peer:ready"));
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
