// Server-sent events of an answer, as they come. EventSource cannot send a body, so the stream is read here.
// Entry point: `eventsOf`.

/** Yield {name, data} of each event in a stream of bytes; the data is JSON. */
export async function* eventsOf(stream) {
  let name = "";
  let data = [];
  for await (const line of linesOf(stream)) {
    if (line === "") {
      if (data.length) yield { name, data: JSON.parse(data.join("\n")) };
      name = "";
      data = [];
    } else if (line.startsWith("event:")) {
      name = line.slice(6).trim();
    } else if (line.startsWith("data:")) {
      data.push(line.slice(5).replace(/^ /, ""));
    }
  }
}

async function* linesOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) yield line.replace(/\r$/, "");
    }
  } finally {
    reader.releaseLock();
  }
}
