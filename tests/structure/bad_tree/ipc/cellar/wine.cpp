// A room that nobody planned. // expect unknown-room
