package main

import "fmt"

func main() {
	fmt.Println("begin")
	wait := make(chan int)
	go func() { wait <- <-wait }()
	<-wait
}
