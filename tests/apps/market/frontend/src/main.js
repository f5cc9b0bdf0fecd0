document.title = "Market"
