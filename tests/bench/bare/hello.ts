/**
 * The smallest server: it echoes WebSocket messages and imports nothing.
 *
 * @module
 */

const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
});
console.log(JSON.stringify({ httpPort: http.addr.port }));
