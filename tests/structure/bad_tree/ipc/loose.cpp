// In no room at all. // expect unknown-room
