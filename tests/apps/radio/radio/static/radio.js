new EventSource("/events/").addEventListener("song", (event) => console.log(event.data));
