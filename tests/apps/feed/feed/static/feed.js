new EventSource("/events/").onmessage = (event) => console.log(event.data);
