// Bun: native publish/subscribe inside each process (uWebSockets), Redis between the processes.
//
// The documented cluster: every process serves the same port (reusePort). Bun's own Redis client. Told by the
// environment: PEER_PORT, PEER_WORKERS, PEER_REDIS_URL.
const { RedisClient, serve, spawn } = require("bun");

const workers = Number(process.env.PEER_WORKERS);

async function startWorker() {
  const redis = new RedisClient(process.env.PEER_REDIS_URL);
  const subscriber = new RedisClient(process.env.PEER_REDIS_URL);
  const members = new Map(); // room -> how many are here
  await subscriber.connect();

  const server = serve({
    hostname: "127.0.0.1",
    port: Number(process.env.PEER_PORT),
    reusePort: true,
    async fetch(request, server) {
      const path = new URL(request.url).pathname;
      if (path === "/livez") {
        const ready = Number(await redis.get("peer:ready")) >= workers;
        return new Response(ready ? "ok" : "starting", { status: ready ? 200 : 503 });
      }
      const room = path.slice("/feed/".length);
      return server.upgrade(request, { data: { room } }) ? undefined : new Response("not found", { status: 404 });
    },
    websocket: {
      perMessageDeflate: false,
      open(socket) {
        const { room } = socket.data;
        const count = members.get(room) ?? 0;
        members.set(room, count + 1);
        socket.subscribe(room);
        if (!count) subscriber.subscribe(room, relay);
      },
      message(socket, text) {
        redis.publish(socket.data.room, text);
      },
      close(socket) {
        const { room } = socket.data;
        const count = members.get(room) - 1;
        if (count) {
          members.set(room, count);
        } else {
          members.delete(room);
          subscriber.unsubscribe(room);
        }
      },
    },
  });

  function relay(text, room) {
    server.publish(room, text);
  }

  await redis.incr("peer:ready");
}

if (process.env.PEER_IS_WORKER) {
  await startWorker();
} else {
  const env = { ...process.env, PEER_IS_WORKER: "1" };
  const children = Array.from({ length: workers }, () =>
    spawn({ cmd: [process.execPath, __filename], env, stdio: ["ignore", "inherit", "inherit"] }),
  );
  process.on("SIGTERM", () => {
    for (const child of children) child.kill();
    process.exit(0);
  });
}
