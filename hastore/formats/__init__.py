"""Floor 2: text and XML to values and back; nothing here touches a host."""
